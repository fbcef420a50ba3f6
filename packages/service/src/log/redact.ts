/** What may stand in a log: plain values without the secrets that a caller put there by mistake. */
import { DomainError, SecretBytes } from '@keyhsm/core'

/** A value of these names is never shown; compared without case, `-` and `_`. */
const secretNames: ReadonlySet<string> = new Set([
  'pin',
  'sopin',
  'password',
  'passphrase',
  'passwd',
  'secret',
  'authsecret',
  'auth',
  'authorization',
  'cookie',
  'token',
  'content',
  'contentkey',
  'sealed',
  'privatekey',
  'key',
  'keyhsmsignature',
])

const shown = '[secret]'
const maxDepth = 6

/** Plain data, ready for JSON. */
export type Plain = string | number | boolean | null | readonly Plain[] | { [name: string]: Plain }

/** What was said of a name before: a program's fields are few and come with every line. */
const judged = new Map<string, boolean>()
const maxJudged = 1000

/** True for a field whose value is never shown. */
export function isSecretName(name: string): boolean {
  const known = judged.get(name)
  if (known !== undefined) return known
  const secret = secretNames.has(name.toLowerCase().replaceAll(/[-_]/g, ''))
  if (judged.size < maxJudged) judged.set(name, secret)
  return secret
}

/** One link of a cause chain. */
interface PlainError {
  readonly name: string
  readonly message: string
  /** Only of errors that nobody threw on purpose. */
  readonly stack?: string
}

/** An error and its causes, outermost first; at most 8. Other properties of foreign errors stay out. */
export function toPlainErrors(error: unknown): PlainError[] {
  const chain: PlainError[] = []
  let next = error
  while (next !== undefined && next !== null && chain.length < 8) {
    if (!(next instanceof Error)) return [...chain, { name: 'thrown', message: describe(next) }]
    const code = 'code' in next && typeof next.code === 'string' ? next.code : undefined
    const stack = next instanceof DomainError ? undefined : framesOf(next)
    chain.push({ name: code ?? next.name, message: next.message, ...(stack && { stack }) })
    next = next.cause
  }
  return chain
}

/** The places only: the text before them repeats the message, line breaks and all. */
function framesOf(error: Error): string | undefined {
  const frames = error.stack?.split('\n').filter((line) => /^ +at /.test(line))
  return frames?.slice(0, 8).join('\n')
}

function describe(thrown: unknown): string {
  return typeof thrown === 'string' ? thrown : typeof thrown
}

function redactObject(value: object, depth: number): Plain {
  if (value instanceof SecretBytes) return shown
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Error) return { errors: toPlainErrors(value) as unknown as Plain }
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (depth >= maxDepth) return '[deeper]'
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => redactValue(item, depth + 1))
  return redactFields(value, depth + 1)
}

function redactValue(value: unknown, depth: number): Plain {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'object') return redactObject(value, depth)
  return typeof value === 'bigint' ? value.toString() : `[${typeof value}]`
}

/** The fields of a log line: secrets and undefined ones taken out, buffers by length, errors as their chain. */
export function redactFields(fields: object, depth = 0): Record<string, Plain> {
  const result: Record<string, Plain> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    result[name] = isSecretName(name) ? shown : redactValue(value, depth)
  }
  return result
}
