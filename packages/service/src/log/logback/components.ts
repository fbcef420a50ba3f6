/**
 * The classes of logback that this log has, as tables: which properties each knows and what may stand in them. Whatever
 * is not here is reported, never passed over.
 * @see https://logback.qos.ch/manual/appenders.html
 */
import { manualPattern } from '../configuration.js'
import { type LogThreshold } from '../levels.js'
import { type LogPattern, parsePattern } from '../pattern.js'

/** A value, or what is wrong with the text. */
export type Parsed = { readonly value: PropertyValue } | { readonly fault: string }
export type PropertyValue = string | number | LogPattern

/** Where relative paths begin. */
export interface ReadContext {
  readonly directory: string
}

export type PropertySpec =
  | { readonly parse: (text: string, context: ReadContext) => Parsed }
  | { readonly classes: readonly ComponentSpec[]; readonly byDefault?: ComponentSpec }

export interface ComponentSpec {
  readonly className: string
  readonly properties: Readonly<Record<string, PropertySpec>>
  /** Properties without which it cannot work. */
  readonly required: readonly string[]
}

const levelNames: Readonly<Record<string, LogThreshold>> = {
  all: 'debug',
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  error: 'error',
  off: 'off',
}

/** A level as logback names it; undefined for anything else. */
export function parseLevel(text: string): LogThreshold | undefined {
  return levelNames[text.toLowerCase()]
}

const units: Readonly<Record<string, number>> = { '': 0, kb: 1, mb: 2, gb: 3, tb: 4 }

/** `10MB`, `512 kb`, `100000` (bytes). */
function parseFileSize(text: string): Parsed {
  const [, digits = '', unit = ''] = /^(\d{1,15})\s*([kmgt]?b)?s?$/i.exec(text) ?? []
  const bytes = Number(digits) * 1024 ** (units[unit.toLowerCase()] ?? 0)
  if (digits !== '' && bytes >= 1024 && bytes <= 2 ** 50) return { value: bytes }
  return {
    fault: `[${text}] is no file size; it is a number of bytes from 1024 on, or of KB, MB or GB`,
  }
}

function count(most: number) {
  return (text: string): Parsed => {
    if (/^\d{1,9}$/.test(text) && Number(text) <= most) return { value: Number(text) }
    return { fault: `[${text}] is no whole number from 0 to ${most}` }
  }
}

/** A setting of logback that has only one value here: the other one must not be believed to hold. */
function only(value: string, why: string) {
  return (text: string): Parsed =>
    text.toLowerCase() === value.toLowerCase()
      ? { value }
      : { fault: `[${text}] is not supported: ${why}` }
}

function parsePath(text: string, { directory }: ReadContext): Parsed {
  if (text === '' || text.includes('\0')) return { fault: 'a path is missing' }
  if (text.includes('%')) return { fault: `[${text}] holds a %, which only a fileNamePattern may` }
  return { value: absolute(text, directory) }
}

function parseFileNamePattern(text: string, { directory }: ReadContext): Parsed {
  const words = text.match(/%\S/g) ?? []
  if (/\.(gz|zip|xz)$/.test(text))
    return { fault: `[${text}]: rolled files are not compressed here` }
  if (words.join() !== '%i') return { fault: `[${text}] must hold %i once, and no other % word` }
  return { value: absolute(text, directory) }
}

function absolute(path: string, directory: string): string {
  return path.startsWith('/') ? path : `${directory}/${path}`
}

function parseLayout(text: string): Parsed {
  try {
    return { value: parsePattern(text) }
  } catch (error) {
    return { fault: `in the pattern [${text}]: ${(error as Error).message}` }
  }
}

function parseThreshold(text: string): Parsed {
  const value = parseLevel(text)
  return value === undefined ? { fault: `[${text}] is no level` } : { value }
}

function parseTarget(text: string): Parsed {
  if (/^System\.(out|err)$/.test(text)) return { value: text }
  return { fault: `[${text}] is neither System.out nor System.err` }
}

const patternEncoder: ComponentSpec = {
  className: 'ch.qos.logback.classic.encoder.PatternLayoutEncoder',
  properties: {
    pattern: { parse: parseLayout },
    charset: { parse: only('UTF-8', 'the log is UTF-8') },
    immediateFlush: { parse: only('true', 'each line is written at once') },
    outputPatternAsHeader: { parse: only('false', 'files have no header') },
  },
  required: ['pattern'],
}

const thresholdFilter: ComponentSpec = {
  className: 'ch.qos.logback.classic.filter.ThresholdFilter',
  properties: { level: { parse: parseThreshold } },
  required: ['level'],
}

/** The largest window: each roll renames every file of it. */
const maxWindowIndex = 1000

const fixedWindowPolicy: ComponentSpec = {
  className: 'ch.qos.logback.core.rolling.FixedWindowRollingPolicy',
  properties: {
    fileNamePattern: { parse: parseFileNamePattern },
    minIndex: { parse: count(maxWindowIndex) },
    maxIndex: { parse: count(maxWindowIndex) },
  },
  required: ['fileNamePattern'],
}

const sizePolicy: ComponentSpec = {
  className: 'ch.qos.logback.core.rolling.SizeBasedTriggeringPolicy',
  properties: { maxFileSize: { parse: parseFileSize } },
  required: [],
}

const anyAppender: ComponentSpec['properties'] = {
  encoder: { classes: [patternEncoder], byDefault: patternEncoder },
  filter: { classes: [thresholdFilter] },
  immediateFlush: { parse: only('true', 'each line is written at once') },
}

const anyFile: ComponentSpec['properties'] = {
  ...anyAppender,
  file: { parse: parsePath },
  append: { parse: only('true', 'a log that is there is never cut') },
  prudent: { parse: only('false', 'one process writes a file') },
}

export const fileAppender: ComponentSpec = {
  className: 'ch.qos.logback.core.FileAppender',
  properties: anyFile,
  required: ['file', 'encoder'],
}

export const rollingFileAppender: ComponentSpec = {
  className: 'ch.qos.logback.core.rolling.RollingFileAppender',
  properties: {
    ...anyFile,
    rollingPolicy: { classes: [fixedWindowPolicy] },
    triggeringPolicy: { classes: [sizePolicy] },
  },
  required: ['file', 'encoder', 'rollingPolicy', 'triggeringPolicy'],
}

export const consoleAppender: ComponentSpec = {
  className: 'ch.qos.logback.core.ConsoleAppender',
  properties: { ...anyAppender, target: { parse: parseTarget } },
  required: ['encoder'],
}

export const appenderClasses = [fileAppender, rollingFileAppender, consoleAppender]

/** Values of logback where a file does not give one. @see FixedWindowRollingPolicy, SizeBasedTriggeringPolicy */
export const defaults = {
  minIndex: 1,
  maxIndex: 7,
  maxFileSize: 10 * 1024 * 1024,
  pattern: manualPattern,
}
