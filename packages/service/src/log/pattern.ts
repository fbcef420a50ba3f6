/** A line's pattern as logback writes it, read once and then applied to every record. */
import { PatternFault } from './pattern-fault.js'
import { type Convert, convertErrors, findConversionWord } from './pattern-words.js'
import { formatFields, type LogRecord } from './record.js'

export { PatternFault }

export interface LogPattern {
  /** As it was written. */
  readonly text: string
  readonly format: (record: LogRecord) => string
}

/** `%-20.30word`: at least 20 characters, filled on the right; at most 30, the first ones cut off. */
interface Width {
  readonly least: number
  readonly most: number
  readonly fillsRight: boolean
  readonly cutsEnd: boolean
}

interface Reading {
  readonly text: string
  at: number
  /** What the words of the pattern write already. */
  readonly shown: Set<'fields' | 'errors'>
  /** Set when the pattern is read: whether %msg brings the fields. */
  fieldsWithMessage: boolean
}

const escapes: Readonly<Record<string, string>> = {
  '\\': '\\',
  '%': '%',
  '(': '(',
  ')': ')',
  t: '\t',
  r: '\r',
  n: '\n',
  // Ends a word that letters follow.
  _: '',
}

/** @throws PatternFault naming the word that is not known or not complete. */
export function parsePattern(text: string): LogPattern {
  const reading: Reading = { text, at: 0, shown: new Set(), fieldsWithMessage: true }
  const parts = readParts(reading, false)
  reading.fieldsWithMessage = !reading.shown.has('fields')
  if (!reading.shown.has('errors')) parts.push(convertErrors)
  return { text, format: join(parts) }
}

function join(parts: readonly Convert[]): Convert {
  return (record) => {
    let line = ''
    for (const part of parts) line += part(record)
    return line
  }
}

function readParts(reading: Reading, inGroup: boolean): Convert[] {
  const parts: Convert[] = []
  while (reading.at < reading.text.length) {
    const next = reading.text.charAt(reading.at)
    if (next === ')' && inGroup) return parts
    parts.push(next === '%' ? readWord(reading) : readLiteral(reading))
  }
  if (inGroup) throw new PatternFault('a ( in the pattern is not closed')
  return parts
}

function readLiteral(reading: Reading): Convert {
  let literal = ''
  while (reading.at < reading.text.length) {
    const next = reading.text.charAt(reading.at)
    if (next === '%' || next === ')') break
    reading.at += 1
    literal += next === '\\' ? readEscape(reading) : next
  }
  // A ) outside of a group stands for itself.
  if (literal === '') {
    reading.at += 1
    literal = ')'
  }
  return () => literal
}

function readEscape(reading: Reading): string {
  const escaped = escapes[reading.text.charAt(reading.at)]
  if (escaped === undefined) throw new PatternFault('a \\ in the pattern escapes nothing')
  reading.at += 1
  return escaped
}

function readWord(reading: Reading): Convert {
  reading.at += 1
  const width = readWidth(reading)
  const name = take(reading, /[A-Za-z_][A-Za-z0-9_]*/y)
  if (name === '' && take(reading, /\(/y) === '') {
    throw new PatternFault('a % in the pattern is followed by no conversion word')
  }
  return fit(width, name === '' ? readGroup(reading) : makeWord(reading, name))
}

function readGroup(reading: Reading): Convert {
  const parts = readParts(reading, true)
  reading.at += 1
  return join(parts)
}

function makeWord(reading: Reading, name: string): Convert {
  const word = findConversionWord(name)
  if (!word) throw new PatternFault(`[${name}] is not a valid conversion word`)
  const convert = word.make(readOptions(reading))
  if (word.shows) reading.shown.add(word.shows)
  return word.names.includes('message') ? withFields(reading, convert) : convert
}

function withFields(reading: Reading, message: Convert): Convert {
  return (record) => {
    const text = message(record)
    if (!reading.fieldsWithMessage) return text
    const fields = formatFields(record.fields)
    return fields === '' ? text : `${text} ${fields}`
  }
}

/** `{a, "b, c"}`. */
function readOptions(reading: Reading): string[] {
  const braces = take(reading, /\{(?:"[^"]*"|'[^']*'|[^}"'])*\}/y)
  if (braces === '') {
    if (reading.text.charAt(reading.at) === '{')
      throw new PatternFault('a { in the pattern is not closed')
    return []
  }
  const inner = braces.slice(1, -1)
  // A quote inside a date pattern is Java's own: only options that are quoted as a whole are taken apart.
  const options = inner.match(/\s*(?:"[^"]*"|'[^']*'(?=\s*(?:,|$))|(?:'[^']*'|[^,'])+)/g) ?? []
  return options.map((option) => option.trim().replace(/^(["'])([^"']*)\1$/, '$2'))
}

function readWidth(reading: Reading): Width | undefined {
  const given = take(reading, /-?\d+(?:\.-?\d+)?|\.-?\d+/y)
  if (given === '') return undefined
  const [least = '', most] = given.split('.')
  return {
    least: Math.abs(Number(least || 0)),
    most: most === undefined ? Number.POSITIVE_INFINITY : Math.abs(Number(most)),
    fillsRight: least.startsWith('-'),
    cutsEnd: most?.startsWith('-') === true,
  }
}

function fit(width: Width | undefined, convert: Convert): Convert {
  if (!width) return convert
  const { least, most, fillsRight, cutsEnd } = width
  return (record) => {
    const text = convert(record)
    if (text.length > most) return cutsEnd ? text.slice(0, most) : text.slice(text.length - most)
    return fillsRight ? text.padEnd(least) : text.padStart(least)
  }
}

/** What `expression` (sticky) finds here, and goes on behind it. */
function take(reading: Reading, expression: RegExp): string {
  expression.lastIndex = reading.at
  const found = expression.exec(reading.text)?.[0] ?? ''
  reading.at += found.length
  return found
}
