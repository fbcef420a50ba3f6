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
/** 512 bytes are room for the fields that are added to an entry. */
const maxEntryBytes = maxLineBytes - 512

/** SHA-256 of the UTF-8 bytes. */
export function sha256Hex(text: string): string {
  return hash('sha256', text, 'hex')
}

/**
 * What an entry itself says, as it stands in its line between `service` and `previous`. Written once, when the entry comes: it is checked then, and
 * its place in the chain is known only later.
 * @throws ERR_INVALID_INPUT when the entry cannot become a line.
 */
export function formatFields(entry: AuditEntry): string {
  const { event, operation, requestId, actor, subject, outcome, reason } = entry
  if (outcome !== undefined && !auditOutcomes.includes(outcome)) {
    throw invalidInput('outcome', 'is not one of the audit outcomes')
  }
  if ((event === 'outcome') !== (outcome !== undefined)) {
    throw invalidInput('outcome', 'belongs to the event "outcome" and to no other')
  }
  const text = JSON.stringify({ event, operation, requestId, actor, subject, outcome, reason })
  if (!isAtMost(text, maxEntryBytes)) {
    throw invalidInput('entry', `must be at most ${maxEntryBytes} bytes`)
  }
  return text.slice(1, -1)
}

/** Most texts are so short that counting their bytes is not needed: a character is three bytes at most. */
function isAtMost(text: string, bytes: number): boolean {
  return text.length * 3 <= bytes || Buffer.byteLength(text) <= bytes
}

export interface EntryPlace {
  /** The entry before this one. */
  readonly head: AuditHead
  /** ISO 8601 in UTC with milliseconds. */
  readonly at: string
  readonly service: string
}

/** The line (with its newline) of the entry that follows `place.head`, and the head it makes. */
export function formatEntry(
  fields: string,
  { head, at, service }: EntryPlace,
): { readonly line: string; readonly head: AuditHead } {
  const sequence = head.sequence + 1
  const origin = `"at":"${at}","service":${JSON.stringify(service)}`
  const body = `{"sequence":${sequence},${origin},${fields},"previous":"${head.hash}"`
  const digest = sha256Hex(`${body}}`)
  return { line: `${body},"hash":"${digest}"}\n`, head: { sequence, hash: digest } }
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
