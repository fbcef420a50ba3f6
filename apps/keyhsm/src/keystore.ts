/**
 * Key HSM's own TLS key and certificate: `keystore/keyhsm.p12`, which `openssl` and `keytool` read too. `keyhsm.pem` beside
 * it is a copy of the certificate for those who shall trust it. A keystore of version 0.1 (two PEM files) is read until the
 * next setup replaces it.
 */
import { hostname, networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import {
  formatPkcs12,
  makeSelfSigned,
  parsePkcs12,
  type Pkcs12Content,
  type PlainKey,
  writeFileAtomically,
} from '@keyhsm/service'
import {
  makePrivateDirectory,
  readSecretBytesIfThere,
  readSecretFileIfThere,
  readTextIfThere,
  removeFile,
} from './files.js'
import {
  credentialName,
  type Environment,
  ensurePassword,
  passwordFile,
  passwordVariable,
  readPasswords,
  replacePassword,
} from './keystore-password.js'

export interface Keystore {
  /** PEM; certificates above it follow. */
  readonly certificate: string
  /** PKCS#8, PEM, encrypted. */
  readonly key: string
  readonly passphrase: string
}

const keystoreFile = 'keyhsm.p12'
const certificateFile = 'keyhsm.pem'
/** The key's file of version 0.1. */
const pemKeyFile = 'keyhsm-key.pem'
const ownAlias = 'keyhsm'
/** Trustee Servers pin this certificate; it is renewed by hand, not by a date that surprises. */
const validDays = 3650

/**
 * Reads the keystore.
 * @returns undefined when there is none yet.
 * @throws ERR_SETTINGS when it is incomplete, does not open or is readable by others.
 */
export async function readKeystore(
  folder: string,
  env: Environment,
): Promise<Keystore | undefined> {
  const bytes = await readSecretBytesIfThere(join(folder, keystoreFile))
  if (bytes === undefined) return await readPemKeystore(folder, env)
  const { content, passphrase } = await openKeystore(bytes, await readPasswords(folder, env))
  const own = content.keys.find(({ alias }) => alias === ownAlias) ?? content.keys[0]
  if (own === undefined) throw damaged('holds no key')
  return { certificate: [own.certificate, ...own.chain].join(''), key: own.key, passphrase }
}

/** The certificate that the keystore's key belongs to, PEM; needs no password. */
export function readCertificate(folder: string): Promise<string | undefined> {
  return readTextIfThere(join(folder, certificateFile))
}

/** Whether there is one, of whatever state. */
export async function hasKeystore(folder: string): Promise<boolean> {
  return (await readSecretBytesIfThere(join(folder, keystoreFile))) !== undefined
}

/** Makes the keystore when there is none: a self-signed certificate for this machine and the listener's address. */
export async function ensureKeystore(
  folder: string,
  address: string,
  env: Environment,
): Promise<{ keystore: Keystore; made: boolean }> {
  const existing = await readKeystore(folder, env)
  if (existing) return { keystore: await keepKeystore(folder, existing), made: false }
  await makePrivateDirectory(folder)
  const made = await makeSelfSigned({
    commonName: hostname(),
    subjectAltNames: findNames(address),
    days: validDays,
    usage: 'server',
  })
  const passphrase = await ensurePassword(folder, env)
  await saveKeystore(folder, made, passphrase)
  return { keystore: await requireKeystore(folder, env), made: true }
}

/** Puts a key and its certificate into the keystore, in place of what is there. */
export async function saveKeystore(
  folder: string,
  key: Omit<PlainKey, 'alias'>,
  password: string,
): Promise<void> {
  const bytes = await formatPkcs12({ keys: [{ ...key, alias: ownAlias }] }, password)
  await writeFileAtomically(join(folder, keystoreFile), bytes, 0o600)
  const certificates = [key.certificate, ...(key.chain ?? [])].join('')
  await writeFileAtomically(join(folder, certificateFile), certificates, 0o644)
  await removeFile(join(folder, pemKeyFile))
}

/** Gives the keystore another password. @throws as `replacePassword`. */
export async function changeKeystorePassword(
  folder: string,
  { env, password }: { readonly env: Environment; readonly password: string },
): Promise<void> {
  const keystore = await requireKeystore(folder, env)
  await replacePassword(folder, { env, password }, () =>
    saveKeystore(folder, toPlainKey(keystore), password),
  )
}

/** The keystore in today's form, with its copy of the certificate. */
async function keepKeystore(folder: string, keystore: Keystore): Promise<Keystore> {
  const bytes = await readSecretBytesIfThere(join(folder, keystoreFile))
  if (bytes === undefined) await saveKeystore(folder, toPlainKey(keystore), keystore.passphrase)
  else if ((await readTextIfThere(join(folder, certificateFile))) !== keystore.certificate)
    await writeFileAtomically(join(folder, certificateFile), keystore.certificate, 0o644)
  return keystore
}

async function openKeystore(bytes: Buffer, passwords: readonly string[]) {
  let refusal: unknown
  for (const passphrase of passwords) {
    try {
      const content: Pkcs12Content = await parsePkcs12(bytes, passphrase)
      return { content, passphrase }
    } catch (error) {
      refusal = error
    }
  }
  if (refusal === undefined) throw noPassword()
  throw damaged('does not open: it is damaged, or has another password', refusal)
}

async function readPemKeystore(folder: string, env: Environment): Promise<Keystore | undefined> {
  const certificate = await readTextIfThere(join(folder, certificateFile))
  const key = await readSecretFileIfThere(join(folder, pemKeyFile))
  if (certificate === undefined && key === undefined) return undefined
  const [passphrase] = await readPasswords(folder, env)
  if (certificate !== undefined && key !== undefined && passphrase !== undefined)
    return { certificate, key, passphrase }
  throw incomplete([key === undefined ? keystoreFile : certificateFile, passwordFile])
}

async function requireKeystore(folder: string, env: Environment): Promise<Keystore> {
  const keystore = await readKeystore(folder, env)
  if (keystore) return keystore
  throw incomplete([keystoreFile])
}

function toPlainKey({ certificate, key, passphrase }: Keystore): Omit<PlainKey, 'alias'> {
  const [own = '', ...chain] = certificate.split(/(?<=-----END CERTIFICATE-----\n)(?=-----BEGIN)/)
  return { privateKey: key, passphrase, certificate: own, chain }
}

function incomplete(needed: readonly string[]): DomainError {
  return new DomainError('ERR_SETTINGS', 'the keystore is incomplete', {
    hints: [`it needs ${needed.join(' and ')} in the folder keystore/`],
  })
}

function noPassword(): DomainError {
  return new DomainError('ERR_SETTINGS', 'the password of the keystore is not known', {
    hints: [
      `put it into keystore/${passwordFile} (mode 0600) or the systemd credential ${credentialName}`,
      `or give it at the start: at a terminal, --keystore-password-file, ${passwordVariable}`,
    ],
  })
}

function damaged(rule: string, cause?: unknown): DomainError {
  return new DomainError('ERR_SETTINGS', `keystore/${keystoreFile} ${rule}`, {
    ...(cause === undefined ? {} : { cause }),
    hints: [
      `its password is in keystore/${passwordFile}, a systemd credential or ${passwordVariable}, or is asked for at a terminal`,
    ],
  })
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
