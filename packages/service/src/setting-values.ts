/** What may stand behind the names of a settings file: each makes a parser that names field and rule. */
import { isIP } from 'node:net'
import { invalidInput, parseBytes, parseDuration } from '@keyhsm/core'

/** One of a few words. */
export function oneOf<const Value extends string>(values: readonly Value[]) {
  return (given: string, field: string): Value => {
    const found = values.find((value) => value === given)
    if (found === undefined) throw invalidInput(field, `must be one of ${values.join(', ')}`)
    return found
  }
}

/** A whole number; both ends are allowed. */
export function integer(minimum: number, maximum: number) {
  return (given: string, field: string): number => {
    const value = /^\d{1,15}$/.test(given) ? Number(given) : Number.NaN
    if (!(value >= minimum && value <= maximum)) {
      throw invalidInput(field, `must be a whole number from ${minimum} to ${maximum}`)
    }
    return value
  }
}

/** A duration in milliseconds; both ends are allowed. Nothing needs no unit. */
export function duration(minimum: number, maximum: number) {
  return (given: string, field: string): number => {
    const value = given === '0' ? 0 : parseDuration(given, field)
    if (value < minimum || value > maximum) {
      throw invalidInput(field, `must be from ${minimum / 1000} s to ${maximum / 1000} s`)
    }
    return value
  }
}

/** A number of bytes; both ends are allowed. */
export function size(minimum: number, maximum: number) {
  return (given: string, field: string): number => {
    const value = parseBytes(given, field)
    if (value < minimum || value > maximum) {
      throw invalidInput(field, `must be from ${minimum} to ${maximum} bytes`)
    }
    return value
  }
}

/** An IPv4 or IPv6 address. */
export function parseAddress(given: string, field: string): string {
  if (isIP(given) === 0) throw invalidInput(field, 'must be an IP address, e.g. 127.0.0.1')
  return given
}

/** A path, which may be relative to the folder of the settings file. */
export function parseAnyPath(given: string, field: string): string {
  if (given === '' || given.includes('\0')) throw invalidInput(field, 'must be a path')
  return given
}
