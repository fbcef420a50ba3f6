/**
 * The certificate that follows: a keystore of its own beside the present one (`keystore-next/`), announced to Trustee Servers until
 * all of them accept it, then put in the present one's place.
 */
import { createPrivateKey, type X509Certificate } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { DomainError, invalidInput } from '@keyhsm/core'
import { isInItsTime, parseCertificates } from '@keyhsm/service'
import { makePrivateDirectory } from '../files.js'
import { ensureKeystore, type Keystore, readKeystore, saveKeystore } from '../keystore.js'
import { ensurePassword, passwordVariable } from '../keystore-password.js'
import type { Paths } from '../paths.js'
import type { Environment } from '../keystore-password.js'

type KeystorePaths = Pick<Paths, 'keystore' | 'keystoreNext'>

/** A certificate with its key, as an authority gave it. */
export interface GivenCertificate {
  /** PEM; those above it may follow. */
  readonly certificate: string
  readonly key: string
  readonly passphrase?: string
  readonly now: Date
}

/** The successor that waits; its password is the present keystore's where it has none of its own. */
export async function readNext(
  { keystoreNext }: Pick<Paths, 'keystoreNext'>,
  present: Keystore | undefined,
  env: Environment,
): Promise<Keystore | undefined> {
  const more = present === undefined ? {} : { [passwordVariable]: present.passphrase }
  return await readKeystore(keystoreNext, { ...env, ...more })
}

/** A self-signed successor; one that waits already is kept. */
export async function prepareRenewal(
  paths: KeystorePaths,
  address: string,
  env: Environment,
): Promise<Keystore> {
  return (await ensureKeystore(paths.keystoreNext, address, env)).keystore
}

/** A successor from an authority, in place of one that waits. @throws ERR_INVALID_INPUT for a pair that cannot serve. */
export async function prepareReplacement(
  paths: KeystorePaths,
  given: GivenCertificate,
  env: Environment,
): Promise<Keystore> {
  const { own, chain } = requirePair(given)
  await makePrivateDirectory(paths.keystoreNext)
  const password = await ensurePassword(paths.keystoreNext, env)
  const { key: privateKey, passphrase } = given
  const pair = { privateKey, certificate: own, chain, ...(passphrase ? { passphrase } : {}) }
  await saveKeystore(paths.keystoreNext, pair, password)
  return await requireNext(paths, undefined, env)
}

/** Puts the successor in the place of the present certificate. @throws ERR_NOT_FOUND when none waits. */
export async function activateNext(paths: KeystorePaths, env: Environment): Promise<void> {
  // A damaged keystore is replaced as well.
  const present = await readKeystore(paths.keystore, env).catch(() => undefined)
  const { certificate, key, passphrase } = await requireNext(paths, present, env)
  const [own, chain] = split(certificate)
  const password = present?.passphrase ?? (await ensurePassword(paths.keystore, env))
  await saveKeystore(
    paths.keystore,
    { privateKey: key, passphrase, certificate: own, chain },
    password,
  )
  await rm(paths.keystoreNext, { recursive: true, force: true })
}

async function requireNext(
  paths: KeystorePaths,
  present: Keystore | undefined,
  env: Environment,
): Promise<Keystore> {
  const next = await readNext(paths, present, env)
  if (next) return next
  throw new DomainError('ERR_NOT_FOUND', 'no new certificate waits', {
    hints: ['keyhsm cert renew makes one'],
  })
}

function split(pem: string): readonly [string, string[]] {
  const [own = '', ...chain] = parseCertificates(pem).map((certificate) => certificate.toString())
  return [own, chain]
}

function requirePair({ certificate, key, passphrase, now }: GivenCertificate) {
  const [leaf] = parseCertificates(certificate, '--cert')
  if (!leaf || leaf.ca)
    throw invalidInput('--cert', 'must begin with a certificate that is no CA’s')
  if (!isInItsTime(leaf, now)) throw invalidInput('--cert', 'must be valid now')
  if (!belongs(leaf, key, passphrase)) throw invalidInput('--key', 'does not belong to --cert')
  const [own, chain] = split(certificate)
  return { own, chain }
}

function belongs(leaf: X509Certificate, key: string, passphrase: string | undefined): boolean {
  try {
    return leaf.checkPrivateKey(createPrivateKey({ key, ...(passphrase ? { passphrase } : {}) }))
  } catch {
    throw invalidInput('--key', 'must be a private key in PEM, with its passphrase if it has one')
  }
}
