/**
 * Another certificate for the server. The new pair is laid down complete, the key of the one in use states that it follows, and
 * then it takes that one's place; cut off at any point, the next run or start goes on.
 */
import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { relative } from 'node:path'
import { DomainError, type Fingerprint, invalidInput } from '@keyhsm/core'
import { signSuccession } from '@keyhsm/protocol'
import {
  certificateFingerprint,
  encryptPrivateKey,
  finishSwap,
  isInItsTime,
  type KeyedCertificate,
  layDownPair,
  makeSelfSigned,
  type PairPlaces,
  parseCertificates,
  readSystemdCredential,
} from '@keyhsm/service'
import { readPrivateText, readText } from '../files.js'
import type { Paths } from '../paths.js'
import { type Settings, settingPath } from '../settings.js'
import { type GivenPair, parseGivenPair, parseKey } from './given-pair.js'
import { addSuccession, forgetSuccessions } from './successions.js'

/** Lifetime in days. */
const serverDays = 825

type RollSettings = Pick<
  Settings,
  'certificate' | 'key' | 'keyPassphraseFile' | 'externalAddresses' | 'host'
>

export interface RollOptions {
  readonly paths: Paths
  readonly settings: RollSettings
  readonly now: Date
  /** False: the key in use is not believed any more; every client must be told the new certificate. */
  readonly withSuccession: boolean
}

/** Names and addresses by which clients reach the server: the external ones, this host, its listener and loopback. */
export function serverNames(settings: Pick<Settings, 'externalAddresses' | 'host'>): string[] {
  const { externalAddresses, host } = settings
  const anywhere = host === '0.0.0.0' || host === '::'
  const all = [...externalAddresses, hostname(), ...(anywhere ? [] : [host])]
  return [...new Set([...all, 'localhost', '127.0.0.1', '::1'])]
}

/** A self-signed pair with {@link serverNames}. */
export function makeServerPair(
  settings: Pick<Settings, 'externalAddresses' | 'host'>,
  now?: Date,
): Promise<KeyedCertificate> {
  return makeSelfSigned({
    commonName: settings.externalAddresses[0] ?? hostname(),
    subjectAltNames: serverNames(settings),
    days: serverDays,
    usage: 'server-and-client',
    ...(now === undefined ? {} : { now }),
  })
}

/** What of {@link serverNames} a certificate does not hold. */
export function missingNames(
  certificate: X509Certificate,
  settings: Pick<Settings, 'externalAddresses' | 'host'>,
): string[] {
  return serverNames(settings).filter((name) =>
    isIP(name) === 0 ? !certificate.checkHost(name) : !certificate.checkIP(name),
  )
}

/** Puts a self-signed pair in use from the next start or reload on. @throws ERR_SETTINGS */
export async function renewServerPair(o: RollOptions): Promise<Fingerprint> {
  return await roll(o, await makeServerPair(o.settings, o.now))
}

/** The same with a pair from an authority. @throws ERR_INVALID_INPUT for a pair that cannot serve; ERR_SETTINGS */
export async function replaceServerPair(o: RollOptions, given: GivenPair): Promise<Fingerprint> {
  return await roll(o, parseGivenPair(given, o.now))
}

/** Completes a change that was cut off; nothing happens where none was. */
export async function finishRoll(paths: Paths, settings: RollSettings): Promise<void> {
  await finishSwap(placesOf(paths, settings))
}

function placesOf(paths: Paths, { certificate, key }: RollSettings): PairPlaces {
  return {
    next: paths.serverNext,
    certificate: settingPath(paths, certificate),
    key: settingPath(paths, key),
  }
}

async function roll(o: RollOptions, next: KeyedCertificate): Promise<Fingerprint> {
  const { paths, settings } = o
  requireOwnFiles(paths, settings)
  const places = placesOf(paths, settings)
  await finishSwap(places)
  const [leaf] = parseCertificates(next.certificate)
  if (!leaf) throw invalidInput('--cert', 'must hold a certificate')
  const statement = o.withSuccession ? await stateSuccession(o, leaf) : undefined
  const passphrase = await readPassphrase(paths, settings)
  const { certificate, privateKey: plain } = next
  const privateKey = passphrase === undefined ? plain : encryptPrivateKey(plain, passphrase)
  // Before the exchange: whoever meets the new certificate finds the statement.
  if (statement) await addSuccession(paths, statement)
  else await forgetSuccessions(paths)
  await layDownPair(places, { certificate, privateKey })
  await finishSwap(places)
  return certificateFingerprint(leaf)
}

async function stateSuccession({ paths, settings, now }: RollOptions, next: X509Certificate) {
  const before = new X509Certificate(await readText(settingPath(paths, settings.certificate)))
  const passphrase = await readPassphrase(paths, settings)
  const key = parseKey(await readPrivateText(settingPath(paths, settings.key)), passphrase)
  if (!isInItsTime(before, now))
    throw new DomainError(
      'ERR_NOT_ALLOWED',
      'the certificate in use has ended: it can vouch for none',
      {
        hints: [
          'add --no-succession, and tell the clients the new fingerprint (keytrustee register)',
        ],
      },
    )
  return signSuccession({ before, key, next, now })
}

/** @throws ERR_SETTINGS where somebody else keeps the files: they are not ours to change. */
function requireOwnFiles(paths: Paths, settings: RollSettings): void {
  const foreign = [settings.certificate, settings.key]
    .map((path) => settingPath(paths, path))
    .filter((path) => relative(paths.root, path).startsWith('..'))
  if (foreign.length === 0) return
  throw new DomainError('ERR_SETTINGS', 'the server’s certificate is kept outside its own folder', {
    hints: [
      'renew it where it comes from, then run keytrustee-server reload,',
      'or remove keytrustee.tls.certificate and keytrustee.tls.key from the settings',
    ],
  })
}

/** Name of the systemd credential (`LoadCredential=`) that stands in for the file with the passphrase. */
export const passphraseCredential = 'keytrustee-tls-passphrase'

/** Passphrase of the server's key: systemd's, else that of the file; undefined where it has none. @throws ERR_SETTINGS */
export async function readPassphrase(
  paths: Paths,
  { keyPassphraseFile }: Pick<Settings, 'keyPassphraseFile'>,
): Promise<string | undefined> {
  const credential = await readSystemdCredential(passphraseCredential)
  if (credential !== undefined || keyPassphraseFile === undefined) return credential
  const text = await readPrivateText(settingPath(paths, keyPassphraseFile))
  return text.replace(/\r?\n$/, '')
}
