import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import type { AuditSigner } from '@keyhsm/service'
import { readPrivateText } from '../files.js'
import type { Paths } from '../paths.js'

/** Signs checkpoints with the Ed25519 key in `audit.key`. @throws ERR_SETTINGS when the file cannot be used. */
export async function readAuditSigner(paths: Pick<Paths, 'auditKey'>): Promise<AuditSigner> {
  const privateKey = parseKey(await readPrivateText(paths.auditKey))
  const publicKey = createPublicKey(privateKey)
  const der = publicKey.export({ type: 'spki', format: 'der' })
  return {
    keyId: createHash('sha256').update(der).digest('hex'),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    sign: (message) => Promise.resolve(sign(null, message, privateKey)),
  }
}

function parseKey(pem: string) {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // Falls through to the one answer for every unusable file.
  }
  throw new DomainError('ERR_SETTINGS', 'audit.key is not an Ed25519 private key in PEM')
}
