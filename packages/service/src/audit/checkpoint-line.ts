/** The text of a checkpoint and of what is signed in it. docs/formats/audit.md says each field. */
import type { AuditHead } from './audit.js'

/** A checkpoint stands at most this many entries behind the one it signs, so that a reader need not remember more. */
export const maxCheckpointLag = 16_384
/** Comes before the signed text, so that no other message the key might sign can pass for a checkpoint. */
export const checkpointDomain = 'keyhsm audit checkpoint v1\n'

/** What a checkpoint says: this was the head of the service's log at that time. */
export interface Checkpoint {
  readonly head: AuditHead
  readonly service: string
  readonly at: Date
  readonly keyId: string
}

/** The JSON text of a checkpoint without its signature; the signature is over {@link checkpointDomain} ‖ this. */
export function formatCheckpointBody(checkpoint: Checkpoint): string {
  return JSON.stringify({
    type: 'checkpoint',
    sequence: checkpoint.head.sequence,
    head: checkpoint.head.hash,
    service: checkpoint.service,
    at: checkpoint.at.toISOString(),
    keyId: checkpoint.keyId,
  })
}

/** What is signed. */
export function checkpointMessage(body: string): Buffer {
  return Buffer.from(checkpointDomain + body)
}

/** The line with its newline. */
export function formatCheckpoint(body: string, signature: Buffer): string {
  return `${body.slice(0, -1)},"signature":"${signature.toString('base64')}"}\n`
}
