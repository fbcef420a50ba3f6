/** `ktadmin init`: every key and file a server needs. What exists is kept, so that it can be run again. */
import { randomBytes, X509Certificate } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import type { Fingerprint } from '@keyhsm/core'
import {
  certificateFingerprint,
  editSettings,
  type KeyedCertificate,
  ed25519AuditSigner,
  makeAuditKey,
  writeFileAtomically,
} from '@keyhsm/service'
import { addAdministrator, invokingUser, readAdministrators } from './administrators.js'
import { makeClientAuthority } from './certificates/authorities.js'
import { makeKeyHsmPair } from './certificates/key-hsm-pair.js'
import { makeServerPair } from './certificates/roll-server.js'
import { readOptionalText, readText } from './files.js'
import { grantKeyBytes } from './grants.js'
import { refuseOldProduct } from './old-product.js'
import type { Paths } from './paths.js'
import { readSettings, settingPath } from './settings.js'

export interface Initialised {
  /** Files that were missing and made now, relative to the server's folder. */
  readonly made: readonly string[]
  /** SHA-256 of the server certificate: what `keytrustee register` shows at first contact. */
  readonly serverFingerprint: Fingerprint
  readonly administrator: string | undefined
}

export interface InitialiseOptions {
  /** Names and addresses by which clients reach the server; the host's own name and loopback are always there. */
  readonly externalAddresses: readonly string[]
  /** Listener's address and port; absent: the defaults of the settings. */
  readonly host?: string
  readonly port?: string
}

/**
 * @throws ERR_ALREADY_EXISTS when another product's files are in this place; ERR_SETTINGS, ERR_NOT_ALLOWED, ERR_UNAVAILABLE when
 * files cannot be made.
 */
export async function initialise(paths: Paths, o: InitialiseOptions): Promise<Initialised> {
  await refuseOldProduct(paths)
  const made: string[] = []
  for (const folder of ['.ssl', '.ca', 'admin', 'run', 'log', 'audit', 'prune'])
    await mkdir(`${paths.root}/${folder}`, { recursive: true, mode: 0o700 })
  const make = async (path: string, content: () => string | Promise<string>, mode = 0o600) => {
    if ((await readOptionalText(path)) !== undefined) return
    await writeFileAtomically(path, await content(), mode)
    made.push(path.slice(paths.root.length + 1))
  }
  await make(paths.settings, () => initialSettings(o), 0o640)
  const pair = async (certificate: string, key: string, of: () => Promise<KeyedCertificate>) => {
    // The key first: a certificate without its key is never left behind.
    if ((await readOptionalText(certificate)) !== undefined) return
    const fresh = await of()
    await writeFileAtomically(key, fresh.privateKey, 0o600)
    await make(certificate, () => fresh.certificate, 0o644)
  }
  await pair(paths.serverCertificate, paths.serverKey, () =>
    makeServerPair({ externalAddresses: o.externalAddresses, host: o.host ?? '0.0.0.0' }),
  )
  await pair(paths.keyHsmClientCertificate, paths.keyHsmClientKey, () => makeKeyHsmPair())
  await pair(paths.authorityCertificate, paths.authorityKey, () => makeClientAuthority())
  await make(paths.grantKey, () => `${randomBytes(grantKeyBytes).toString('hex')}\n`)
  await makeAuditPair(paths, make)
  const administrator = await makeFirstAdministrator(paths)
  if (administrator !== undefined) made.push(`admin/${administrator}.key`)
  return { made, serverFingerprint: await readServerFingerprint(paths), administrator }
}

/** SHA-256 of the certificate in use. @throws ERR_SETTINGS when it cannot be read. */
export async function readServerFingerprint(paths: Paths): Promise<Fingerprint> {
  const { certificate } = await readSettings(paths)
  const pem = await readText(settingPath(paths, certificate))
  return certificateFingerprint(new X509Certificate(pem))
}

function initialSettings({ externalAddresses, host, port }: InitialiseOptions): string {
  const head = [
    '# Settings of the Key Trustee Server. Names that are not known are refused.',
    '# Every setting with its default: ktadmin settings',
    '',
  ].join('\n')
  return editSettings(head, {
    'keytrustee.server.external-address':
      externalAddresses.length === 0 ? undefined : externalAddresses.join(','),
    'keytrustee.server.host': host,
    'keytrustee.server.port': port,
  })
}

/** Ed25519: signs checkpoints of this server's audit and nothing else. Its public half is for the auditor to take away. */
async function makeAuditPair(
  paths: Paths,
  make: (path: string, content: () => string, mode?: number) => Promise<void>,
): Promise<void> {
  if ((await readOptionalText(paths.auditKey)) !== undefined) return
  const key = makeAuditKey()
  await make(paths.auditKey, () => key)
  await writeFileAtomically(paths.auditPublicKey, ed25519AuditSigner(key).publicKey, 0o644)
}

async function makeFirstAdministrator(paths: Paths): Promise<string | undefined> {
  if ((await readAdministrators(paths)).size > 0) return undefined
  await addAdministrator(paths, invokingUser)
  return invokingUser
}
