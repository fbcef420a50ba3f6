/** The two sides of a checkpoint's signature: keys of the machine to sign with, public keys to verify with. */
import {
  type KeyObject,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
} from 'node:crypto'
import { DomainError, invalidInput } from '@keyhsm/core'
import type { AuditSigner } from './audit.js'

/** True for a key that a checkpoint can be verified with: Ed25519 or ECDSA P-256. */
function isCheckpointKey(key: KeyObject): boolean {
  if (key.asymmetricKeyType === 'ed25519') return true
  return key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
}

function parsePublicKey(pem: string): KeyObject {
  try {
    const key = createPublicKey(pem)
    if (isCheckpointKey(key)) return key
  } catch {
    // Said below, as for a key of another kind.
  }
  throw invalidInput('public key', 'must be an Ed25519 or P-256 public key in PEM')
}

/** One or more PEM blocks. @throws ERR_INVALID_INPUT for anything else. */
export function parseCheckpointKeys(pem: string): readonly KeyObject[] {
  const blocks = pem.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g)
  if (blocks === null) throw invalidInput('public key', 'must be a public key in PEM')
  return blocks.map(parsePublicKey)
}

/** True when one of `keys` made `signature` over `message`. */
export function isSignedByOne(
  keys: readonly KeyObject[],
  message: Buffer,
  signature: Buffer,
): boolean {
  return keys.some((key) =>
    key.asymmetricKeyType === 'ed25519'
      ? verify(null, message, key, signature)
      : verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature),
  )
}

/** Id of a public key in checkpoints: SHA-256 of its SubjectPublicKeyInfo, hex. */
export function checkpointKeyId(publicKey: KeyObject): string {
  const der = publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('hex')
}

/** A new Ed25519 private key for {@link ed25519AuditSigner}, PKCS#8 PEM; keep it in a 0600 file. */
export function makeAuditKey(): string {
  const { privateKey } = generateKeyPairSync('ed25519')
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** Signs with the key in `audit.key`, for a service without an HSM. @throws ERR_SETTINGS unless it is Ed25519. */
export function ed25519AuditSigner(privateKeyPem: string): AuditSigner {
  const key = parseAuditKey(privateKeyPem)
  const publicKey = createPublicKey(key)
  return {
    keyId: checkpointKeyId(publicKey),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    sign: (message) => Promise.resolve(sign(null, message, key)),
  }
}

function parseAuditKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // Said below, as for a key of another kind.
  }
  throw new DomainError('ERR_SETTINGS', 'audit.key is not an Ed25519 private key in PEM', {
    hints: ['restore it from a backup; its public half is audit.pub'],
  })
}
