/** Names of keys and of their versions. */
import { badRequest } from './remote-error.js'

/** Longest name of a key, in bytes of UTF-8. */
export const maxNameBytes = 255

/** @throws RemoteError 400 for a name that no key can have. */
export function requireKeyName(name: string): string {
  if (Buffer.byteLength(name) > maxNameBytes)
    throw badRequest(`Parameter 'name' must be at most ${maxNameBytes} bytes`)
  // A lone surrogate has no UTF-8: encoded and decoded again it is another name.
  if (Buffer.from(name).toString('utf8') !== name)
    throw badRequest("Parameter 'name' must be well-formed Unicode")
  return name
}

/** `k@3` → key name and index; the last `@` separates. Undefined for what no version is called. */
export function parseVersionName(
  text: string,
): { readonly name: string; readonly index: number } | undefined {
  const match = /^([\s\S]+)@(0|[1-9]\d{0,8})$/.exec(text)
  return match?.[1] === undefined ? undefined : { name: match[1], index: Number(match[2]) }
}

/** `k@3` */
export function versionName(name: string, index: number): string {
  return `${name}@${index}`
}
