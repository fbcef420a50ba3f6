/** The text of the audit log, read: one line as a checked value, or undefined when it is none of ours. */
import { type AuditEntry, type AuditEvent, type AuditHead } from './audit.js'
import { sha256Hex } from './lines.js'

export interface EntryLine {
  readonly type: 'entry'
  readonly head: AuditHead
  readonly previous: string
  readonly service: string
  readonly event: AuditEvent
  readonly operation: string
  readonly requestId: string
  readonly actor: string
  /** Of an `outcome`. */
  readonly outcome?: string
  readonly subject: AuditEntry['subject']
  /** False when the text does not have the hash it says it has. */
  readonly unchanged: boolean
}

export interface HeaderLine {
  readonly type: 'rotate'
  readonly format: number
  readonly service: string
  readonly file: number
  /** The last entry before this file. */
  readonly head: AuditHead
}

export interface CheckpointLine {
  readonly type: 'checkpoint'
  readonly head: AuditHead
  readonly service: string
  readonly at: string
  readonly keyId: string
  /** The signed text, without its domain prefix. */
  readonly body: string
  readonly signature: Buffer
}

export type AuditLine = EntryLine | HeaderLine | CheckpointLine

type Fields = Readonly<Record<string, unknown>>

const hashTail = /,"hash":"([0-9a-f]{64})"\}$/
const signatureTail = /,"signature":"([A-Za-z0-9+/]{2,}={0,2})"\}$/
const hashPattern = /^[0-9a-f]{64}$/

function parseFields(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : undefined
  } catch {
    return undefined
  }
}

function areStrings(fields: Fields, names: readonly string[]): boolean {
  return names.every((name) => typeof fields[name] === 'string')
}

function toHead(sequence: unknown, hash: unknown): AuditHead | undefined {
  if (!Number.isSafeInteger(sequence) || (sequence as number) < 0) return undefined
  if (typeof hash !== 'string' || !hashPattern.test(hash)) return undefined
  return { sequence: sequence as number, hash }
}

function toEntry(text: string, fields: Fields): EntryLine | undefined {
  const tail = hashTail.exec(text)
  const head = toHead(fields.sequence, tail?.[1])
  const names = ['service', 'event', 'operation', 'requestId', 'actor', 'at', 'previous']
  if (!tail || !head || !areStrings(fields, names)) return undefined
  return {
    type: 'entry',
    head,
    previous: fields.previous as string,
    service: fields.service as string,
    event: fields.event as AuditEvent,
    operation: fields.operation as string,
    requestId: fields.requestId as string,
    actor: fields.actor as string,
    ...(typeof fields.outcome === 'string' ? { outcome: fields.outcome } : {}),
    subject: fields.subject as AuditEntry['subject'],
    unchanged: sha256Hex(`${text.slice(0, tail.index)}}`) === head.hash,
  }
}

function toHeader(fields: Fields): HeaderLine | undefined {
  const head = toHead(fields.sequence, fields.previous)
  if (!head || typeof fields.service !== 'string') return undefined
  if (!Number.isSafeInteger(fields.file) || !Number.isSafeInteger(fields.format)) return undefined
  const [file, format] = [fields.file as number, fields.format as number]
  return { type: 'rotate', format, service: fields.service, file, head }
}

function toCheckpoint(text: string, fields: Fields): CheckpointLine | undefined {
  const tail = signatureTail.exec(text)
  const head = toHead(fields.sequence, fields.head)
  if (!tail?.[1] || !head || !areStrings(fields, ['service', 'at', 'keyId'])) return undefined
  return {
    type: 'checkpoint',
    head,
    service: fields.service as string,
    at: fields.at as string,
    keyId: fields.keyId as string,
    body: `${text.slice(0, tail.index)}}`,
    signature: Buffer.from(tail[1], 'base64'),
  }
}

/** `text` is one line without its newline. */
export function parseLine(text: string): AuditLine | undefined {
  const fields = parseFields(text)
  if (fields === undefined) return undefined
  if (fields.type === 'rotate') return toHeader(fields)
  if (fields.type === 'checkpoint') return toCheckpoint(text, fields)
  return fields.type === undefined ? toEntry(text, fields) : undefined
}
