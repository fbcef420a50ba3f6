/** A client's folder as a whole: settings, keys and certificate. */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import type { Follower } from '../transport/follow-certificate.js'
import { splitPem, type TlsPins } from '../transport/server-check.js'
import { type ClientKeys, readClientKeys } from './client-keys.js'
import {
  type ClientSettings,
  formatClientSettings,
  parseClientSettings,
} from './client-settings.js'
import { readPrivateFile, writePrivateFile } from './private-files.js'

/** A registered, active client. */
export interface LocalClient {
  readonly settings: ClientSettings
  readonly keys: ClientKeys
  /** PEM. */
  readonly certificate: string
  readonly tls: TlsPins
  /** Keeps what the server's certificate was followed by. */
  readonly follower: Follower
}

const settingsFile = 'client.json'
const certificateFile = 'client.pem'

/** The settings in `folder`, undefined when nothing is registered there. @throws ERR_SETTINGS */
export async function findClientSettings(folder: string): Promise<ClientSettings | undefined> {
  const text = await readPrivateFile(join(folder, settingsFile))
  return text === undefined ? undefined : parseClientSettings(text)
}

/** The active client in `folder`. @throws ERR_SETTINGS when nothing is registered, or the enrolment still waits. */
export async function readLocalClient(folder: string): Promise<LocalClient> {
  const settings = await findClientSettings(folder)
  if (!settings)
    throw new DomainError('ERR_SETTINGS', 'this client is not registered', {
      hints: ['run `keytrustee register --server URL --org ORGANISATION` first'],
    })
  const certificate = await readPrivateFile(join(folder, certificateFile))
  if (settings.state === 'waiting' || certificate === undefined)
    throw new DomainError('ERR_SETTINGS', 'the registration of this client is not finished', {
      hints: ['run `keytrustee register` again once an administrator has approved it'],
    })
  const keys = await readClientKeys(folder)
  const tls = { ca: [settings.serverCertificates], cert: certificate, key: keys.tlsKey }
  return { settings, keys, certificate, tls, follower: followerOf(folder) }
}

/** Pins are added to what the file says then: another call, or that of another server, may have changed it meanwhile. */
function followerOf(folder: string): Follower {
  return {
    async remember(certificates) {
      const settings = await findClientSettings(folder)
      if (!settings) return
      const pins = [settings.serverCertificates, ...certificates].flatMap((pem) =>
        splitPem(pem, 'client.json').map((certificate) => certificate.toString()),
      )
      const serverCertificates = [...new Set(pins)].join('')
      await writeLocalClient(folder, { ...settings, serverCertificates })
    },
  }
}

/** Writes the settings, and before them the certificate that makes them true. */
export async function writeLocalClient(
  folder: string,
  settings: ClientSettings,
  certificate?: string,
): Promise<void> {
  if (certificate !== undefined) await writePrivateFile(join(folder, certificateFile), certificate)
  await writePrivateFile(join(folder, settingsFile), formatClientSettings(settings))
}

/**
 * Checks a certificate that a server issued: for our key, signed by the authority it names.
 * @throws ERR_UNAVAILABLE when it is not: nothing is stored then.
 */
export function checkIssuedCertificate(
  certificate: string,
  authority: string,
  tlsKey: string,
): void {
  try {
    const leaf = new X509Certificate(certificate)
    const issuer = new X509Certificate(authority)
    if (leaf.checkPrivateKey(createPrivateKey(tlsKey)) && leaf.verify(issuer.publicKey)) return
  } catch {
    // Falls through to the one error.
  }
  throw new DomainError('ERR_UNAVAILABLE', 'the server issued a certificate that does not fit')
}
