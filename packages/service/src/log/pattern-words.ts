/**
 * The conversion words of logback's PatternLayout that this log knows, as a table.
 * @see https://logback.qos.ch/manual/layouts.html#conversionWord
 */
import { isMainThread, threadId } from 'node:worker_threads'
import { parseDatePattern } from './date-pattern.js'
import { PatternFault } from './pattern-fault.js'
import { errorLines, escapeUnsafe, formatFields, formatValue, type LogRecord } from './record.js'

/** Writes one part of a line. */
export type Convert = (record: LogRecord) => string

export interface ConversionWord {
  readonly names: readonly string[]
  /** What it writes, for the documentation. */
  readonly writes: string
  /** `message`, `fields`, `errors`: what need not be written again elsewhere in the line. */
  readonly shows?: 'fields' | 'errors'
  /** @throws PatternFault for options that it does not have. */
  readonly make: (options: readonly string[]) => Convert
}

const startedAt = Date.now() - Math.round(performance.now())
const thread = isMainThread ? 'main' : `worker-${threadId}`

export const conversionWords: readonly ConversionWord[] = [
  {
    names: ['date', 'd'],
    writes: 'the time; options: a Java date pattern, a time zone',
    make: ([pattern = '', zone, ...more]) => {
      refuse('date', more)
      const format = parseDatePattern(pattern, zone)
      return ({ time }) => format(time)
    },
  },
  {
    names: ['level', 'le', 'p'],
    writes: 'DEBUG, INFO, WARN or ERROR',
    make: (options) => plain('level', options, ({ level }) => level.toUpperCase()),
  },
  {
    names: ['logger', 'lo', 'c'],
    writes: 'the name of the logger; option: the length to shorten it to',
    make: ([length, ...more]) => {
      refuse('logger', more)
      const most = length === undefined ? undefined : toCount('logger', length)
      return ({ logger }) => shorten(escapeUnsafe(logger), most)
    },
  },
  {
    names: ['message', 'msg', 'm'],
    writes: 'the message, and its fields as name=value unless %kvp is in the pattern',
    make: (options) => plain('message', options, ({ message }) => escapeUnsafe(message)),
  },
  {
    names: ['n'],
    writes: 'the end of the line',
    make: (options) => plain('n', options, () => '\n'),
  },
  {
    names: ['thread', 't'],
    writes: 'main, or worker-N in a worker',
    make: (options) => plain('thread', options, () => thread),
  },
  {
    names: ['relative', 'r'],
    writes: 'milliseconds since the process began',
    make: (options) =>
      plain('relative', options, ({ time }) => String(Math.max(0, time - startedAt))),
  },
  {
    names: ['mdc', 'X'],
    writes: 'one field by its name, with a default behind :- ; all fields without an option',
    make: ([option, ...more]) => {
      refuse('mdc', more)
      if (option === undefined) return ({ fields }) => formatFields(fields, ', ')
      const [name = '', ...rest] = option.split(':-')
      return ({ fields }) => {
        const value = Object.hasOwn(fields, name) ? fields[name] : undefined
        return value === undefined ? rest.join(':-') : formatValue(value)
      }
    },
  },
  {
    names: ['kvp'],
    writes: 'the fields as name=value',
    shows: 'fields',
    make: (options) => plain('kvp', options, ({ fields }) => formatFields(fields)),
  },
  {
    names: ['exception', 'ex', 'throwable'],
    writes: 'errors and their causes; options: full, short or a number of lines',
    shows: 'errors',
    make: ([depth = 'full', ...more]) => {
      refuse('exception', more)
      const most =
        depth === 'full' ? undefined : depth === 'short' ? 1 : toCount('exception', depth)
      return ({ fields }) => toLines(errorLines(fields).slice(0, most))
    },
  },
  {
    names: ['nopexception', 'nopex'],
    writes: 'nothing, and keeps errors out of the line',
    shows: 'errors',
    make: (options) => plain('nopexception', options, () => ''),
  },
]

/** What stands behind a line whose pattern has no word for errors, as logback does it. */
export const convertErrors: Convert = ({ fields }) => toLines(errorLines(fields))

/** The word of this name. */
export function findConversionWord(name: string): ConversionWord | undefined {
  return conversionWords.find(({ names }) => names.includes(name))
}

function plain(word: string, options: readonly string[], convert: Convert): Convert {
  refuse(word, options)
  return convert
}

function refuse(word: string, options: readonly string[]): void {
  if (options.length > 0) throw new PatternFault(`%${word} does not take the option ${options[0]}`)
}

function toCount(word: string, text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new PatternFault(`%${word}{${text}}: the option is no number`)
  return Number(text)
}

function toLines(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

/** Shortens all but the last part of a dotted name to one letter each, from the left, until it fits. 0: the last part. */
function shorten(name: string, most: number | undefined): string {
  if (most === undefined) return name
  const parts = name.split('.')
  if (most === 0) return parts.at(-1) ?? name
  for (let i = 0; i < parts.length - 1 && parts.join('.').length > most; i += 1) {
    parts[i] = parts[i]?.slice(0, 1) ?? ''
  }
  return parts.join('.')
}
