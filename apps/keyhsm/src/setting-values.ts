/** What may stand behind the names of `application.properties` alone: each makes a parser that names field and rule. */
import { isIP } from 'node:net'
import { type Fingerprint, invalidInput, parseFingerprint } from '@keyhsm/core'

/** Printable text; lengths in UTF-16 units. */
export function text(minimum: number, maximum: number) {
  return (given: string, field: string): string => {
    if (given.length < minimum || given.length > maximum || /[\p{Cc}]/u.test(given)) {
      throw invalidInput(field, `must be ${minimum} to ${maximum} printable characters`)
    }
    return given
  }
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

/** The PKCS#11 PIN is `user:password`, so that a name cannot hold a colon. */
export function parseUserName(given: string, field: string): string {
  if (!/^[^:\p{Cc}]{1,64}$/u.test(given)) {
    throw invalidInput(field, 'must be 1 to 64 printable characters without a colon')
  }
  return given
}
