/** The audit line of the original, which parsers know. @see docs/protocols/hadoop-kms.md#audit */
import { printable } from './printable.js'

export type AuditStatus = 'OK' | 'UNAUTHORIZED' | 'UNAUTHENTICATED' | 'ERROR'

export interface AuditLine {
  readonly status: AuditStatus
  readonly op?: string | undefined
  readonly key?: string | undefined
  /** Full name of the effective user. */
  readonly user?: string | undefined
  readonly message: string
}

/** Operations that the original counts before it writes them; here each is written by itself. */
const counted = new Set([
  'GET_KEY_VERSION',
  'GET_CURRENT_KEY',
  'DECRYPT_EEK',
  'GENERATE_EEK',
  'REENCRYPT_EEK',
])

/** `2026-11-22 04:24:06,860 OK[op=…] …` with its newline; local time, as log4j writes it. */
export function formatAuditLine(line: AuditLine, at: Date): string {
  return `${formatTime(at)} ${formatAuditMessage(line)}\n`
}

/** The line without its time. Names are shown with control characters escaped: a name must not make a line of its own. */
export function formatAuditMessage({ status, op, key, user, message }: AuditLine): string {
  const parts: string[] = []
  if (op !== undefined) parts.push(`op=${op}`)
  if (key !== undefined) parts.push(`key=${key}`)
  if (user !== undefined) parts.push(`user=${user}`)
  const isCounted = status === 'OK' && op !== undefined && key !== undefined && counted.has(op)
  if (isCounted) parts.push('accessCount=1, interval=0ms')
  const head = parts.length === 0 ? `${status} ` : `${status}[${parts.join(', ')}] `
  return printable(head + message)
}

let second = Number.NaN
let ofSecond = ''

/** All but the milliseconds is written anew only when the second is another. */
function formatTime(at: Date): string {
  const now = at.getTime()
  if (Math.floor(now / 1000) !== second) {
    second = Math.floor(now / 1000)
    ofSecond = formatSecond(at)
  }
  return `${ofSecond},${pad(now - second * 1000, 3)}`
}

function formatSecond(at: Date): string {
  const date = [at.getFullYear(), pad(at.getMonth() + 1), pad(at.getDate())].join('-')
  const time = [pad(at.getHours()), pad(at.getMinutes()), pad(at.getSeconds())].join(':')
  return `${date} ${time}`
}

function pad(value: number, width = 2): string {
  return String(value).padStart(width, '0')
}
