/** Dates by Java's pattern letters, as `%date{…}` takes them. @see java.text.SimpleDateFormat, java.time.format.DateTimeFormatter */
import { PatternFault } from './pattern-fault.js'

/** Wall clock of one instant in one zone. */
interface WallClock {
  /** The instant moved by `offsetMinutes`: its UTC fields are the zone's. */
  readonly local: Date
  readonly offsetMinutes: number
}

type Part = (clock: WallClock) => string

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ')

/** Letters and how many of them in a row mean what. */
const letters: Readonly<Record<string, (count: number) => Part>> = {
  y: (n) => (n === 2 ? padded(2, (d) => d.getUTCFullYear() % 100) : number(n, 'getUTCFullYear')),
  M: (n) =>
    n >= 3
      ? ({ local }) => months[local.getUTCMonth()] ?? ''
      : padded(n, (d) => d.getUTCMonth() + 1),
  d: (n) => number(n, 'getUTCDate'),
  H: (n) => number(n, 'getUTCHours'),
  h: (n) => padded(n, (d) => d.getUTCHours() % 12 || 12),
  m: (n) => number(n, 'getUTCMinutes'),
  s: (n) => number(n, 'getUTCSeconds'),
  S: (n) => (clock) =>
    String(clock.local.getUTCMilliseconds()).padStart(3, '0').padEnd(n, '0').slice(0, n),
  a: () => (clock) => (clock.local.getUTCHours() < 12 ? 'AM' : 'PM'),
  E: (n) => (clock) => (days[clock.local.getUTCDay()] ?? '').slice(0, n >= 4 ? undefined : 3),
  Z: () => (clock) => formatOffset(clock, ''),
  X: (n) => (clock) =>
    clock.offsetMinutes === 0
      ? 'Z'
      : formatOffset(clock, n >= 3 ? ':' : '').slice(0, n === 1 ? 3 : undefined),
}

type Getter = 'getUTCFullYear' | 'getUTCDate' | 'getUTCHours' | 'getUTCMinutes' | 'getUTCSeconds'

function number(width: number, get: Getter): Part {
  return padded(width, (date) => date[get]())
}

function padded(width: number, read: (date: Date) => number): Part {
  return ({ local }) => String(read(local)).padStart(width, '0')
}

function formatOffset({ offsetMinutes }: WallClock, colon: string): string {
  const size = Math.abs(offsetMinutes)
  const [hours, minutes] = [Math.floor(size / 60), size % 60].map((n) => String(n).padStart(2, '0'))
  return `${offsetMinutes < 0 ? '-' : '+'}${hours}${colon}${minutes}`
}

/** Names of patterns that logback knows besides letters. */
const named: Readonly<Record<string, string>> = {
  '': 'yyyy-MM-dd HH:mm:ss,SSS',
  ISO8601: 'yyyy-MM-dd HH:mm:ss,SSS',
  STRICT: "yyyy-MM-dd'T'HH:mm:ss,SSS",
}

/**
 * Makes the formatter of a date pattern.
 * @param zone IANA name or `UTC`; absent: the machine's own.
 * @throws PatternFault for a letter or zone that is not known.
 */
export function parseDatePattern(given: string, zone?: string): (time: number) => string {
  const parts = toParts(named[given] ?? given)
  const offset = zone === undefined || zone === '' ? localOffset : offsetOf(zone)
  return (time) => {
    const offsetMinutes = offset(time)
    const clock = { local: new Date(time + offsetMinutes * 60_000), offsetMinutes }
    return parts.map((part) => part(clock)).join('')
  }
}

function toParts(pattern: string): Part[] {
  const pieces = pattern.match(/'(?:[^']|'')*'|([A-Za-z])\1*|[^A-Za-z']+|'/g) ?? []
  return pieces.map((piece) => {
    if (piece === "'") throw new PatternFault(`the date pattern "${pattern}" has an open quote`)
    if (piece === "''") return () => "'"
    if (piece.startsWith("'")) return () => piece.slice(1, -1).replaceAll("''", "'")
    const first = piece.charAt(0)
    if (!/[A-Za-z]/.test(first)) return () => piece
    const make = letters[first]
    if (!make) {
      const known = Object.keys(letters).join(' ')
      throw new PatternFault(
        `the letter ${first} of a date pattern is not supported; there are: ${known}`,
      )
    }
    return make(piece.length)
  })
}

function localOffset(time: number): number {
  return -new Date(time).getTimezoneOffset()
}

function offsetOf(zone: string): (time: number) => number {
  if (/^(UTC|GMT|Z)$/.test(zone)) return () => 0
  const format = zoneFormat(zone)
  let known = { minute: Number.NaN, offset: 0 }
  return (time) => {
    const minute = Math.floor(time / 60_000)
    if (known.minute !== minute) known = { minute, offset: readOffset(format, minute * 60_000) }
    return known.offset
  }
}

function zoneFormat(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  } catch {
    throw new PatternFault(
      `the time zone ${timeZone} is not known; a comma in a date pattern needs quotes around the pattern`,
    )
  }
}

/** `GMT+05:30` or `GMT`. */
function readOffset(format: Intl.DateTimeFormat, time: number): number {
  const name = format.formatToParts(time).find(({ type }) => type === 'timeZoneName')?.value ?? ''
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)/.exec(name) ?? []
  const size = Number(hours ?? 0) * 60 + Number(minutes ?? 0)
  return sign === '-' ? -size : size
}
