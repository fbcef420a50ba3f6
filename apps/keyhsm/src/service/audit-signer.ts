/** Audit checkpoints are signed by a key in the default backend's HSM that signs nothing else. */
import { createPublicKey } from 'node:crypto'
import type { AuditSigner } from '@keyhsm/service'
import type { Partition } from '../partition/partition.js'

const signDeadlineMs = 5000

/** Undefined where the device has no signing key. */
export function toAuditSigner({ hsm, keys }: Partition): AuditSigner | undefined {
  const key = keys.audit
  if (!key?.publicKey) return undefined
  const publicKey = createPublicKey({ key: key.publicKey, format: 'der', type: 'spki' })
  return {
    keyId: key.id,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    sign: (message) => hsm.sign(key.id, message, { deadlineMs: signDeadlineMs }),
  }
}
