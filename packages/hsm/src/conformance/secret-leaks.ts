/** Looks for secrets in everything that a log could print of a value: text, inspection, JSON, causes. */
import { inspect } from 'node:util'

/** Runs of a secret shorter than this can appear by chance. */
const leastBytes = 8

/** Every spelling of a secret that could reach a log: as it is, hex, base64 at each alignment, lists of numbers. */
export function spellingsOf(secret: Buffer): string[] {
  const decimal = [...secret].join(',')
  const spellings = [secret.toString('latin1'), secret.toString('hex'), decimal]
  for (let shift = 0; shift < 3; shift++) {
    const base64 = Buffer.concat([Buffer.alloc(shift), secret]).toString('base64')
    // The first and last characters also depend on the neighbours.
    spellings.push(base64.slice(shift === 0 ? 0 : 4, -4))
  }
  return spellings.filter((spelling) => spelling.length >= leastBytes).map(fold)
}

/** The texts of `value`: message, stack, hints, inspection, JSON; the same of its causes. */
export function textsOf(value: unknown): string[] {
  const texts: string[] = []
  let current = value
  for (let depth = 0; current !== undefined && current !== null && depth < 8; depth++) {
    texts.push(inspect(current, { depth: 8, maxArrayLength: null, maxStringLength: null }))
    texts.push(safeJson(current), asText(current))
    if (current instanceof Error) {
      texts.push(current.stack ?? '', safeJson(Object.fromEntries(Object.entries(current))))
    }
    current = current instanceof Error ? current.cause : undefined
  }
  return texts
}

/** True when one of `spellings` (of {@link spellingsOf}) stands in `value`. */
export function leaks(value: unknown, spellings: readonly string[]): boolean {
  const folded = textsOf(value).map(fold)
  return spellings.some((spelling) => folded.some((text) => text.includes(spelling)))
}

/** Spaces and line breaks inside lists and long base64 must not hide a secret; nor must upper-case hex. */
function fold(text: string): string {
  return text.replaceAll(/\s/g, '').toLowerCase()
}

function safeJson(value: unknown): string {
  try {
    return JSON.stringify(value, (_key, part: unknown) =>
      typeof part === 'bigint' ? part.toString() : part,
    )
  } catch {
    return ''
  }
}

/** What a template or a concatenation would print. */
function asText(value: unknown): string {
  const { toString } = value as { toString?: () => unknown }
  return typeof toString === 'function' ? String(Reflect.apply(toString, value, [])) : ''
}
