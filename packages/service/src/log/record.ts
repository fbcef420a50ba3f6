/** What is known of one event when it is written, and how its parts look: one line, whatever a caller put in. */
import type { LogLevel } from './levels.js'
import type { Plain } from './redact.js'

export interface LogRecord {
  /** Milliseconds since 1970. */
  readonly time: number
  readonly level: LogLevel
  readonly logger: string
  readonly message: string
  readonly fields: Readonly<Record<string, Plain>>
}

// Control characters could forge a second line or reach a terminal; U+2028/9 break lines in some viewers.
const unsafe = /[\p{Cc}\u2028\u2029]/gu

// Most texts are plain, and a log has a line or two for each request: these two spare them the slow look.
const safe = /^[ -~]*$/
/** Printable ASCII without the space, the quotation mark and the equals sign, which need quotes around the value. */
const bare = /^[!#-<>-~]+$/

/** The text on one line. */
export function escapeUnsafe(text: string): string {
  if (safe.test(text)) return text
  return text.replaceAll(
    unsafe,
    (found) => `\\u${(found.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  )
}

/** A field's value as it stands behind `name=`. */
export function formatValue(value: Plain): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (bare.test(text)) return text
  return /^[^\s"=]+$/.test(text) ? escapeUnsafe(text) : escapeUnsafe(JSON.stringify(value))
}

/** `name=value name=value`, without errors. */
export function formatFields(fields: LogRecord['fields'], separator = ' '): string {
  return Object.entries(fields)
    .filter(([, value]) => errorChain(value) === undefined)
    .map(([name, value]) => `${escapeUnsafe(name)}=${formatValue(value)}`)
    .join(separator)
}

interface ErrorLink {
  readonly name: string
  readonly message: string
  readonly stack?: string
}

function errorChain(value: Plain): readonly ErrorLink[] | undefined {
  if (value === null || typeof value !== 'object' || !('errors' in value)) return undefined
  return value.errors as unknown as readonly ErrorLink[]
}

/** The lines of the record's errors and their causes, none when it has none. */
export function errorLines(fields: LogRecord['fields']): string[] {
  return Object.values(fields).flatMap((value) => (errorChain(value) ?? []).flatMap(formatLink))
}

function formatLink(link: ErrorLink, index: number): string[] {
  const head = `    ${index === 0 ? '' : 'caused by '}${link.name}: ${escapeUnsafe(link.message)}`
  return [head, ...(link.stack ? link.stack.split('\n').map(escapeUnsafe) : [])]
}
