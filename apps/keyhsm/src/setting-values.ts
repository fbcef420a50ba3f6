/** What may stand behind the names of `application.properties`: each makes a parser that names field and rule. */
import { isIP } from 'node:net'
import {
  type Fingerprint,
  invalidInput,
  parseBytes,
  parseDuration,
  parseFingerprint,
} from '@keyhsm/core'

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
    const value = /^\d{1,20}$/.test(given) ? Number(given) : Number.NaN
    if (!(value >= minimum && value <= maximum)) {
      throw invalidInput(field, `must be a whole number from ${minimum} to ${maximum}`)
    }
    return value
  }
}

/** A duration in milliseconds; both ends are allowed. */
export function duration(minimum: number, maximum: number) {
  return (given: string, field: string): number => {
    const value = parseDuration(given, field)
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

/** Printable text; lengths in UTF-16 units. */
export function text(minimum: number, maximum: number) {
  return (given: string, field: string): string => {
    if (given.length < minimum || given.length > maximum || /[\p{Cc}]/u.test(given)) {
      throw invalidInput(field, `must be ${minimum} to ${maximum} printable characters`)
    }
    return given
  }
}

/** An IPv4 or IPv6 address. */
export function parseAddress(given: string, field: string): string {
  if (isIP(given) === 0) throw invalidInput(field, 'must be an IP address, e.g. 127.0.0.1')
  return given
}

/** An absolute path. */
export function parsePath(given: string, field: string): string {
  if (!given.startsWith('/')) throw invalidInput(field, 'must be an absolute path')
  return given
}

/** An HSM key domain. */
export function parseDomain(given: string, field: string): string {
  if (!/^[0-9a-f]{32}$/.test(given)) throw invalidInput(field, 'must be 32 hex digits')
  return given
}

/** A switch as Java's properties files write it. */
export function yesOrNo(given: string, field: string): boolean {
  const value = given.toLowerCase()
  if (value !== 'yes' && value !== 'no') throw invalidInput(field, 'must be yes or no')
  return value === 'yes'
}

/** Value of an environment variable; `field` ends with its name. NODE_* would change our own program. */
export function parseVariable(given: string, field: string): string {
  const name = field.slice(field.lastIndexOf('.') + 1)
  if (!/^[A-Za-z_]\w{0,99}$/.test(name) || name.startsWith('NODE_')) {
    throw invalidInput(field, 'does not end with the name of a variable for a library')
  }
  return text(1, 4096)(given, field)
}

/** Host names and IP addresses, with commas between. */
export function parseHosts(given: string, field: string): readonly string[] {
  const hosts = given.split(',').map((part) => part.trim())
  const isHost = (host: string) =>
    isIP(host) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9.-]{0,252})$/.test(host)
  if (!hosts.every(isHost)) throw invalidInput(field, 'must be an IP address or a host name')
  return hosts
}

/** SHA-256 fingerprints, with commas between; none for an empty text. */
export function parseFingerprints(given: string, field: string): readonly Fingerprint[] {
  return given
    .split(',')
    .flatMap((part) => part.trim() || [])
    .map((part) => parseFingerprint(part, field))
}
