/** Parsers of the identifiers that every part of the product shares. Each takes raw text and returns it checked. */
import { randomUUID } from 'node:crypto'
import { invalidInput } from './errors.js'

/** A deposit's name, given by the client: 1 to 128 characters, first alphanumeric (the manual's rule for key names). */
export type Handle = string & { readonly __brand: 'Handle' }
/** An RFC 9562 uuid in lower case. */
export type Uuid = string & { readonly __brand: 'Uuid' }
/** The Trustee installation a sealed deposit belongs to: 1 to 64 characters, same alphabet as a handle. */
export type Realm = string & { readonly __brand: 'Realm' }
/** An HSM key's id (CKA_ID): 16 bytes as 32 lower-case hex digits. */
export type HsmKeyId = string & { readonly __brand: 'HsmKeyId' }
/** A SHA-256 digest as 64 lower-case hex digits. */
export type Fingerprint = string & { readonly __brand: 'Fingerprint' }

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]*$/
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export const maxHandleCharacters = 128
export const maxRealmCharacters = 64

function parseName(field: string, text: string, maxCharacters: number): string {
  if (text.length < 1 || text.length > maxCharacters) {
    throw invalidInput(field, `must be 1 to ${maxCharacters} characters`)
  }
  if (!namePattern.test(text)) {
    throw invalidInput(
      field,
      'must start with a letter or digit and hold only letters, digits, ".", "_" and "-"',
    )
  }
  return text
}

/** @throws ERR_INVALID_INPUT naming `field`. */
export function parseHandle(text: string, field = 'handle'): Handle {
  return parseName(field, text, maxHandleCharacters) as Handle
}

/** @throws ERR_INVALID_INPUT naming `field`. */
export function parseRealm(text: string, field = 'realm'): Realm {
  return parseName(field, text, maxRealmCharacters) as Realm
}

/** Names of organisations, clients and administrators: the same alphabet, at most 64 characters. */
export function parseShortName(text: string, field: string): string {
  return parseName(field, text, 64)
}

/** @throws ERR_INVALID_INPUT naming `field`. */
export function parseUuid(text: string, field = 'uuid'): Uuid {
  return asUuid(text) ?? refuse(field, 'must be a uuid')
}

/** As {@link parseUuid}; undefined for what is none. */
export function asUuid(text: string): Uuid | undefined {
  const lower = text.toLowerCase()
  return uuidPattern.test(lower) ? (lower as Uuid) : undefined
}

function refuse(field: string, rule: string): never {
  throw invalidInput(field, rule)
}

/** A fresh random uuid (version 4). */
export function newUuid(): Uuid {
  return randomUUID() as Uuid
}

/** @throws ERR_INVALID_INPUT naming `field`. */
export function parseHsmKeyId(text: string, field = 'hsmKeyId'): HsmKeyId {
  if (!/^[0-9a-f]{32}$/.test(text)) throw invalidInput(field, 'must be 32 lower-case hex digits')
  return text as HsmKeyId
}

/** Accepts upper case and colons, as `openssl x509 -fingerprint` prints them. @throws ERR_INVALID_INPUT */
export function parseFingerprint(text: string, field = 'fingerprint'): Fingerprint {
  const plain = text.replaceAll(':', '').toLowerCase()
  if (!/^[0-9a-f]{64}$/.test(plain))
    throw invalidInput(field, 'must be a SHA-256 fingerprint of 64 hex digits')
  return plain as Fingerprint
}
