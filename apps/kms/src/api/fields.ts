/** Reading what callers send: JSON and base64 as every known client writes them, and nothing else. */
import { isUtf8 } from 'node:buffer'
import { badRequest } from './remote-error.js'

export type Fields = Readonly<Record<string, unknown>>

/** The body as an object; an empty body is an empty object. @throws RemoteError 400 */
export function parseObject(body: Buffer): Fields {
  if (body.length === 0) return {}
  const value = parseBody(body)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badRequest('the body must be a JSON object')
  return value as Fields
}

/** The body as a list of objects. @throws RemoteError 400 */
export function parseList(body: Buffer): readonly Fields[] {
  const value = parseBody(body)
  const isList =
    Array.isArray(value) && value.every((one) => typeof one === 'object' && one !== null)
  if (!isList) throw badRequest('the body must be a JSON array of objects')
  return value as readonly Fields[]
}

function parseBody(body: Buffer): unknown {
  if (!isUtf8(body)) throw badRequest('the body must be UTF-8')
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    throw badRequest('the body must be JSON')
  }
}

/** A text or undefined; `null` counts as absent. @throws RemoteError 400 for anything else. */
export function textOf(fields: Fields, name: string): string | undefined {
  const value = fields[name] ?? undefined
  if (value === undefined || typeof value === 'string') return value
  throw badRequest(`Parameter '${name}' must be a string`)
}

/** @throws RemoteError 400 in the words of the original when it is absent or empty. */
export function requireText(value: string | undefined, name: string): string {
  if (value === undefined) throw badRequest(`Parameter '${name}' cannot be null`)
  if (value === '') throw badRequest(`Parameter '${name}' cannot be empty`)
  return value
}

/** @throws RemoteError 400 when it is absent. */
export function requirePresent(value: string | undefined, name: string): string {
  if (value === undefined) throw badRequest(`Parameter '${name}' cannot be null`)
  return value
}

/** Base64 in either alphabet, padded or not. @throws RemoteError 400 for anything else. */
export function bytesOf(text: string, name: string): Buffer {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text.trim()))
    throw badRequest(`Parameter '${name}' must be base64`)
  return Buffer.from(text.trim(), 'base64')
}

/** A whole number that fits Java's int. @throws RemoteError 400 */
export function integerOf(fields: Fields, name: string): number | undefined {
  const value = fields[name] ?? undefined
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 31)
    return value
  throw badRequest(`Parameter '${name}' must be a whole number`)
}

/** @throws RemoteError 400 unless every value is a text. */
export function attributesOf(fields: Fields): Record<string, string> {
  const value = fields['attributes'] ?? {}
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isMap || !Object.values(value).every((one) => typeof one === 'string'))
    throw badRequest("Parameter 'attributes' must be a map of strings")
  return { ...(value as Record<string, string>) }
}

/** Always URL-safe and without padding: some clients read nothing else. */
export function formatBytes(bytes: Buffer): string {
  return bytes.toString('base64url')
}
