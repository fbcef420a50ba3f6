/** The cookie `hadoop.auth`: who somebody is, until when, signed. @see docs/protocols/hadoop-kms.md#cookie */
import { createHmac, timingSafeEqual } from 'node:crypto'

export const cookieName = 'hadoop.auth'

/** What stands before the value of our cookie; linear in time, because callers send what they like. */
const ourCookie = /(?:^|;)\s*hadoop\.auth\s*=/

export interface CookieClaims {
  /** Short name. */
  readonly user: string
  /** Full name. */
  readonly principal: string
  /** `simple-dt` or `kerberos-dt`. */
  readonly type: string
  /** Milliseconds since 1970. */
  readonly expiresAt: number
  /** Until when it must be used again, where there is such a time. Milliseconds since 1970. */
  readonly idleUntil?: number
}

/** Why a cookie is not believed, in the words that clients and logs know. */
export type CookieFault =
  | 'Unauthorized access'
  | 'org.apache.hadoop.security.authentication.util.SignerException: Invalid signature'
  | 'Invalid AuthenticationToken type'
  | 'AuthenticationToken expired'

/** The value without quotes. @param secret raw bytes */
export function signCookie(claims: CookieClaims, secret: Buffer): string {
  const { user, principal, type, expiresAt, idleUntil } = claims
  const idle = idleUntil === undefined ? '' : `&i=${idleUntil}`
  const text = `u=${user}&p=${principal}&t=${type}${idle}&e=${expiresAt}`
  return `${text}&s=${signatureOf(text, secret)}`
}

/** What a value says, if one of `secrets` signed it; it may be over its time. */
export function openCookie(
  value: string,
  secrets: readonly Buffer[],
  now: number,
): CookieClaims | CookieFault {
  if (value === '') return 'Unauthorized access'
  const at = value.lastIndexOf('&s=')
  const text = value.slice(0, Math.max(0, at))
  const given = Buffer.from(value.slice(at + 3))
  const signed = at > 0 && secrets.some((secret) => isSame(given, signatureOf(text, secret)))
  if (!signed)
    return 'org.apache.hadoop.security.authentication.util.SignerException: Invalid signature'
  const claims = parseClaims(text)
  if (!claims) return 'Unauthorized access'
  return isOver(claims, now) ? 'AuthenticationToken expired' : claims
}

/** Whether its time, or the time in which it had to be used again, has passed. */
export function isOver({ expiresAt, idleUntil = expiresAt }: CookieClaims, now: number): boolean {
  return now > Math.min(expiresAt, idleUntil)
}

/** The value of our cookie in a Cookie header, its quotes taken off; undefined when it is not there. */
export function findCookie(header: string | undefined): string | undefined {
  const found = header === undefined ? null : ourCookie.exec(header)
  if (!found) return undefined
  const from = found.index + found[0].length
  const end = found.input.indexOf(';', from)
  const value = found.input.slice(from, end < 0 ? undefined : end).trim()
  const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"')
  return isQuoted ? value.slice(1, -1) : value
}

export interface CookieAttributes {
  readonly domain?: string | undefined
  readonly path?: string | undefined
  /** `Expires` is written only for persistent cookies. */
  readonly persistentUntil?: Date | undefined
  readonly secure: boolean
}

/** The Set-Cookie header; an empty value takes the cookie back. Never `Max-Age`: Java would read the header by other rules. */
export function formatSetCookie(value: string, attributes: CookieAttributes): string {
  const { domain, path, persistentUntil, secure } = attributes
  return [
    value === '' ? `${cookieName}=` : `${cookieName}="${value}"`,
    ...(path ? [`Path=${path}`] : []),
    ...(domain ? [`Domain=${domain}`] : []),
    ...(persistentUntil ? [`Expires=${persistentUntil.toUTCString()}`] : []),
    ...(secure ? ['Secure'] : []),
    'HttpOnly',
  ].join('; ')
}

function signatureOf(text: string, secret: Buffer): string {
  return createHmac('sha256', secret).update(text).digest('base64')
}

function isSame(given: Buffer, expected: string): boolean {
  const bytes = Buffer.from(expected)
  return given.length === bytes.length && timingSafeEqual(given, bytes)
}

function parseClaims(text: string): CookieClaims | undefined {
  const fields = new Map<string, string>()
  for (const part of text.split('&')) {
    const at = part.indexOf('=')
    if (at < 1) return undefined
    fields.set(part.slice(0, at), part.slice(at + 1))
  }
  const [user, principal, type] = ['u', 'p', 't'].map((name) => fields.get(name))
  const [expiresAt, idleUntil] = ['e', 'i'].map((name) => parseTime(fields.get(name)))
  const isWhole = expiresAt !== undefined && !Number.isNaN(expiresAt) && !Number.isNaN(idleUntil)
  if (!user || !principal || !type || !isWhole) return undefined
  return { user, principal, type, expiresAt, ...(idleUntil === undefined ? {} : { idleUntil }) }
}

/** NaN for what is no time. */
function parseTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
}
