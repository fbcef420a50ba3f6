/**
 * The authorities of client certificates: the present one, which signs, and those before it, whose certificates are admitted
 * until they end or are forgotten.
 */
import { X509Certificate } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError, type Fingerprint } from '@keyhsm/core'
import {
  certificateFile,
  certificateFingerprint,
  finishSwap,
  isInItsTime,
  type KeyedCertificate,
  keyFile,
  layDownPair,
  makeAuthority,
  type PairPlaces,
  parseCertificates,
  publicKeyFingerprint,
  writeFileAtomically,
} from '@keyhsm/service'
import { readOptionalText, readPrivateText, readText } from '../files.js'
import type { Paths } from '../paths.js'

/** The authority outlives what it issues by far. */
const authorityDays = 7300

type AuthorityPaths = Pick<
  Paths,
  'authorityCertificate' | 'authorityKey' | 'authorityNext' | 'previousAuthorities'
>

export interface Authorities {
  /** PEM. */
  readonly certificate: string
  readonly privateKey: string
  /** PEM of those before. */
  readonly previous: readonly string[]
}

/** @throws ERR_SETTINGS when one is missing, may be read by others or is damaged. */
export async function readAuthorities(paths: AuthorityPaths): Promise<Authorities> {
  const certificate = await readText(paths.authorityCertificate)
  const privateKey = await readPrivateText(paths.authorityKey)
  const previous = await Promise.all((await listPrevious(paths)).map((path) => readText(path)))
  for (const pem of [certificate, ...previous]) requireCertificate(pem)
  return { certificate, privateKey, previous }
}

/** Those that a certificate of a client may be signed by at `now`. */
export function trustedAuthorities({ certificate, previous }: Authorities, now: Date): string[] {
  return [certificate, ...previous.filter((pem) => isInItsTime(new X509Certificate(pem), now))]
}

/** A new authority; what the present one signed stays admitted. A run that was cut off is completed by the next. */
export async function renewAuthority(paths: AuthorityPaths, now: Date): Promise<Fingerprint> {
  await finishSwap(placesOf(paths))
  const present = await readText(paths.authorityCertificate)
  const fresh = await makeClientAuthority(now)
  await mkdir(paths.previousAuthorities, { recursive: true, mode: 0o700 })
  await writeFileAtomically(fileOf(paths, new X509Certificate(present)), present, 0o644)
  await layDownPair(placesOf(paths), fresh)
  await finishSwap(placesOf(paths))
  return certificateFingerprint(new X509Certificate(fresh.certificate))
}

/** A new authority that waits until every server of the installation admits it; the same again when it waits already. */
export async function prepareAuthority(
  { authorityWaiting: next }: Pick<Paths, 'authorityWaiting'>,
  now: Date,
): Promise<KeyedCertificate> {
  const certificate = await readOptionalText(join(next, certificateFile))
  if (certificate !== undefined)
    return { certificate, privateKey: await readPrivateText(join(next, keyFile)) }
  const fresh = await makeClientAuthority(now)
  await layDownPair({ next }, fresh)
  return fresh
}

/** Good for {@link authorityDays}. */
export function makeClientAuthority(now?: Date): Promise<KeyedCertificate> {
  const commonName = 'Key Trustee client authority'
  return makeAuthority({ commonName, days: authorityDays, ...(now === undefined ? {} : { now }) })
}

/** Completes a change that was cut off; nothing happens where none was. */
export async function finishAuthority(paths: AuthorityPaths): Promise<void> {
  await finishSwap(placesOf(paths))
}

export function placesOf(paths: AuthorityPaths): PairPlaces {
  const { authorityNext: next, authorityCertificate: certificate, authorityKey: key } = paths
  return { next, certificate, key }
}

/** @throws ERR_NOT_FOUND when none of those before has this fingerprint. */
export async function forgetAuthority(
  paths: AuthorityPaths,
  fingerprint: Fingerprint,
): Promise<void> {
  for (const path of await listPrevious(paths)) {
    const certificate = new X509Certificate(await readText(path))
    if (certificateFingerprint(certificate) === fingerprint) return await rm(path)
  }
  throw noSuchAuthority()
}

export function noSuchAuthority(): DomainError {
  const words = 'no authority before the present one has this fingerprint'
  return new DomainError('ERR_NOT_FOUND', words, { hints: ['see: ktadmin cert list'] })
}

export async function listPrevious({ previousAuthorities }: AuthorityPaths): Promise<string[]> {
  const names = await readdir(previousAuthorities).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new DomainError('ERR_SETTINGS', 'the folder of earlier authorities cannot be read', {
      cause: error,
    })
  })
  const files = names.filter((name) => /^[0-9a-f]{16}\.pem$/.test(name)).sort()
  return files.map((name) => join(previousAuthorities, name))
}

export function fileOf(
  { previousAuthorities }: AuthorityPaths,
  certificate: X509Certificate,
): string {
  return join(previousAuthorities, `${publicKeyFingerprint(certificate).slice(0, 16)}.pem`)
}

function requireCertificate(pem: string): void {
  try {
    parseCertificates(pem)
  } catch (cause) {
    throw new DomainError('ERR_SETTINGS', 'a client authority cannot be read', { cause })
  }
}
