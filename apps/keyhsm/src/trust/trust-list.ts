/** The certificates in `truststore/`: whom Key HSM admits, and for which realm. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError, type Fingerprint, type Realm } from '@keyhsm/core'
import { systemCode, toFileError, writeFileAtomically } from '@keyhsm/service'
import { makePrivateDirectory, readTextIfThere, removeFile } from '../files.js'
import { formatTrusted, parseTrusted, type TrustedCertificate } from './trusted-certificate.js'

export class TrustList {
  readonly certificates: readonly TrustedCertificate[]
  readonly #byPublicKey: ReadonlyMap<Fingerprint, TrustedCertificate>

  constructor(certificates: readonly TrustedCertificate[]) {
    this.certificates = certificates
    this.#byPublicKey = new Map(certificates.map((one) => [one.publicKey, one]))
  }

  /** PEM of each, for the TLS server. */
  get pems(): string[] {
    return this.certificates.map(({ certificate }) => certificate.toString())
  }

  get realms(): Realm[] {
    return [...new Set(this.certificates.map(({ realm }) => realm))].sort()
  }

  /** Who has this public key. */
  find(publicKey: Fingerprint): TrustedCertificate | undefined {
    return this.#byPublicKey.get(publicKey)
  }
}

/** Reads the folder; no folder is an empty list. @throws ERR_SETTINGS naming a damaged file. */
export async function readTrustList(folder: string): Promise<TrustList> {
  const certificates: TrustedCertificate[] = []
  for (const name of await listFiles(folder)) {
    const text = await readTextIfThere(join(folder, name))
    if (text !== undefined) certificates.push(parseTrusted(text, name))
  }
  return new TrustList(certificates)
}

/**
 * Puts a certificate on the list, or changes its realm. @returns false when it was there for this realm: nothing is written.
 * @throws ERR_CONFLICT when another certificate of the same key is trusted for another realm: a key speaks for one.
 */
export async function addTrusted(folder: string, candidate: TrustedCertificate): Promise<boolean> {
  const { certificates } = await readTrustList(folder)
  const same = certificates.find(({ fingerprint }) => fingerprint === candidate.fingerprint)
  if (same?.realm === candidate.realm) return false
  const known = certificates.find(
    ({ publicKey, fingerprint, realm }) =>
      publicKey === candidate.publicKey &&
      fingerprint !== candidate.fingerprint &&
      realm !== candidate.realm,
  )
  if (known) {
    throw new DomainError(
      'ERR_CONFLICT',
      `a certificate with the same key is trusted for realm ${known.realm}`,
      { hints: [`remove it first: keyhsm trust --remove ${known.fingerprint}`] },
    )
  }
  await makePrivateDirectory(folder)
  const path = join(folder, `${candidate.fingerprint}.pem`)
  await writeFileAtomically(path, formatTrusted(candidate), 0o600)
  return true
}

/** Takes a certificate off the list. @throws ERR_NOT_FOUND when none has this fingerprint. */
export async function removeTrusted(folder: string, fingerprint: Fingerprint): Promise<void> {
  if (await removeFile(join(folder, `${fingerprint}.pem`))) return
  throw new DomainError('ERR_NOT_FOUND', 'no trusted certificate has this fingerprint', {
    hints: ['keyhsm trust --list'],
  })
}

async function listFiles(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => /^[0-9a-f]{64}\.pem$/.test(name)).sort()
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw toFileError(error, `cannot read ${folder}`)
  }
}
