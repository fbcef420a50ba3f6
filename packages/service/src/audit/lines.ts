/**
 * The text of the audit log, written: entries and the header of a file, one JSON line each. Checkpoints: `checkpoint-line.ts`.
 * docs/formats/audit.md says each field; `parse-line.ts` reads it back.
 */
import { hash } from 'node:crypto'
import { invalidInput } from '@keyhsm/core'
import { type AuditEntry, type AuditHead, auditOutcomes } from './audit.js'

/** Version of the format, in each file's header. */
export const auditFormat = 1
/** `previous` of the first entry ever. */
export const genesisHash = '0'.repeat(64)
export const genesis: AuditHead = { sequence: 0, hash: genesisHash }
/** A line with its newline is at most this long. */
export const maxLineBytes = 16 * 1024

/** SHA-256 of the UTF-8 bytes. */
export function sha256Hex(text: string): string {
  return hash('sha256', text, 'hex')
}

/** @throws ERR_INVALID_INPUT when the entry cannot become a line. */
export function checkEntry(entry: AuditEntry): void {
  if (entry.outcome !== undefined && !auditOutcomes.includes(entry.outcome)) {
    throw invalidInput('outcome', 'is not one of the audit outcomes')
  }
  if ((entry.event === 'outcome') !== (entry.outcome !== undefined)) {
    throw invalidInput('outcome', 'belongs to the event "outcome" and to no other')
  }
  if (isSurelyShort(entry)) return
  // 512 bytes are room for the fields that are added to it.
  if (Buffer.byteLength(JSON.stringify(entry)) > maxLineBytes - 512) {
    throw invalidInput('entry', `must be at most ${maxLineBytes - 512} bytes`)
  }
}

/** Most entries: found out without writing them twice. A character becomes six bytes at most. */
function isSurelyShort(entry: AuditEntry): boolean {
  const { operation, requestId, actor, reason = '', subject = {} } = entry
  let characters = operation.length + requestId.length + actor.length + reason.length
  // With the marks around name and value.
  for (const name in subject) characters += name.length + String(subject[name]).length + 8
  return characters * 6 < maxLineBytes - 1024
}

export interface EntryPlace {
  /** The entry before this one. */
  readonly head: AuditHead
  readonly at: Date
  readonly service: string
}

/** The line (with its newline) of the entry that follows `place.head`, and the head it makes. */
export function formatEntry(
  entry: AuditEntry,
  place: EntryPlace,
): { readonly line: string; readonly head: AuditHead } {
  const sequence = place.head.sequence + 1
  const body = JSON.stringify({
    sequence,
    at: place.at.toISOString(),
    service: place.service,
    event: entry.event,
    operation: entry.operation,
    requestId: entry.requestId,
    actor: entry.actor,
    subject: entry.subject,
    outcome: entry.outcome,
    reason: entry.reason,
    previous: place.head.hash,
  })
  const digest = sha256Hex(body)
  return {
    line: `${body.slice(0, -1)},"hash":"${digest}"}\n`,
    head: { sequence, hash: digest },
  }
}

/** First line of a file: which one it is, and where in the chain it begins. */
export function formatHeader(service: string, file: number, head: AuditHead): string {
  return `${JSON.stringify({
    type: 'rotate',
    format: auditFormat,
    service,
    file,
    sequence: head.sequence,
    previous: head.hash,
  })}\n`
}
