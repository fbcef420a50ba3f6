/**
 * Key HSM's own TLS key and certificate. The key is encrypted; its password stands in a file of its own, or comes as a
 * systemd credential, so that a backup of one does not hold the other.
 */
import { randomBytes } from 'node:crypto'
import { hostname, networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { encryptPrivateKey, makeSelfSigned, writeFileAtomically } from '@keyhsm/service'
import { makePrivateDirectory, readSecretFileIfThere, readTextIfThere } from './files.js'

export interface Keystore {
  /** PEM. */
  readonly certificate: string
  /** PKCS#8, PEM, encrypted. */
  readonly key: string
  readonly passphrase: string
}

const certificateFile = 'keyhsm.pem'
const keyFile = 'keyhsm-key.pem'
const passwordFile = 'password'
/** Name of the systemd credential (`LoadCredential=`) that stands in for the password file. */
const credentialName = 'keyhsm-keystore-password'
/** Trustee Servers pin this certificate; it is renewed by hand, not by a date that surprises. */
const validDays = 3650

/**
 * Reads the keystore.
 * @returns undefined when there is none yet.
 * @throws ERR_SETTINGS when it is incomplete or readable by others.
 */
export async function readKeystore(
  folder: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Keystore | undefined> {
  const certificate = await readTextIfThere(join(folder, certificateFile))
  const key = await readSecretFileIfThere(join(folder, keyFile))
  if (certificate === undefined && key === undefined) return undefined
  const passphrase = await readPassword(folder, env)
  if (certificate === undefined || key === undefined || passphrase === undefined) {
    throw new DomainError('ERR_SETTINGS', `the keystore ${folder} is incomplete`, {
      hints: [`it needs ${certificateFile}, ${keyFile} and ${passwordFile}`],
    })
  }
  return { certificate, key, passphrase }
}

/** Makes the keystore when there is none: a self-signed certificate for this machine and the listener's address. */
export async function ensureKeystore(
  folder: string,
  address: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ keystore: Keystore; made: boolean }> {
  const existing = await readKeystore(folder, env)
  if (existing) return { keystore: existing, made: false }
  await makePrivateDirectory(folder)
  const { certificate, privateKey } = await makeSelfSigned({
    commonName: hostname(),
    subjectAltNames: findNames(address),
    days: validDays,
    usage: 'server',
  })
  const known = await readPassword(folder, env)
  const passphrase = known ?? randomBytes(32).toString('base64url')
  const key = encryptPrivateKey(privateKey, passphrase)
  if (known === undefined)
    await writeFileAtomically(join(folder, passwordFile), `${passphrase}\n`, 0o600)
  await writeFileAtomically(join(folder, keyFile), key, 0o600)
  await writeFileAtomically(join(folder, certificateFile), certificate, 0o644)
  return { keystore: { certificate, key, passphrase }, made: true }
}

async function readPassword(
  folder: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  const credentials = env['CREDENTIALS_DIRECTORY']
  const given = credentials && (await readTextIfThere(join(credentials, credentialName)))
  return (given || (await readSecretFileIfThere(join(folder, passwordFile))))?.trimEnd()
}

function findNames(address: string): string[] {
  const everywhere = address === '0.0.0.0' || address === '::'
  const addresses = everywhere ? findAddresses() : [address]
  return [...new Set([hostname(), 'localhost', '127.0.0.1', ...addresses])]
}

function findAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .map((entry) => entry.address.replace(/%.*$/, ''))
}
