/** A log line for people: `%date %level %logger: %msg%n` of the manual, with the fields as `name=value` after it. */
import type { Plain } from './redact.js'

export interface LogRecord {
  readonly time: number
  readonly level: string
  readonly logger: string
  readonly message: string
  readonly fields: Readonly<Record<string, Plain>>
}

// Control characters could forge a second line or reach a terminal; U+2028/9 break lines in some viewers.
const unsafe = /[\p{Cc}\u2028\u2029]/gu

function escapeUnsafe(text: string): string {
  return text.replaceAll(
    unsafe,
    (found) => `\\u${(found.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  )
}

function formatValue(value: Plain): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /^[^\s"=]+$/.test(text) ? escapeUnsafe(text) : escapeUnsafe(JSON.stringify(value))
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

function formatErrors(links: readonly ErrorLink[]): string {
  return links
    .map((link, i) => {
      const stack = link.stack ? `\n${link.stack.split('\n').map(escapeUnsafe).join('\n')}` : ''
      return `\n    ${i === 0 ? '' : 'caused by '}${link.name}: ${escapeUnsafe(link.message)}${stack}`
    })
    .join('')
}

/** Local time as logback writes it: `2016-06-03 07:27:18,412`. */
export function formatLogDate(time: number): string {
  const local = new Date(time - new Date(time).getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 23).replace('T', ' ').replace('.', ',')
}

/** One line with its newline; an error adds a line for each cause. */
export function formatLogLine(record: LogRecord): string {
  const head = `${formatLogDate(record.time)} ${record.level.toUpperCase()} ${record.logger}: `
  let fields = ''
  let errors = ''
  for (const [name, value] of Object.entries(record.fields)) {
    const links = errorChain(value)
    if (links) errors += formatErrors(links)
    else fields += ` ${escapeUnsafe(name)}=${formatValue(value)}`
  }
  return `${head}${escapeUnsafe(record.message)}${fields}${errors}\n`
}
