/** `token.json`: which token this directory is, and the token key sealed under a key derived from the PIN. */
import { type BinaryLike, randomBytes, type ScryptOptions, scrypt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DomainError, invalidInput, SecretBytes } from '@keyhsm/core'
import { openBox, sealBox } from './sealed-box.js'

export interface TokenHeader {
  /** 16 hex digits, random. Every key file is bound to it. */
  readonly serial: string
  readonly label: string
  /** scrypt's N, a power of two; r = 8 and p = 1 are fixed by the version. */
  readonly scryptCost: number
  readonly salt: Buffer
  /** The token key, sealed under the PIN. */
  readonly sealedTokenKey: Buffer
}

/** Of 64 bytes that scrypt makes from a PIN: the first half seals the token key, the second names a refused PIN. */
export interface PinKeys {
  readonly sealing: SecretBytes
  readonly naming: SecretBytes
}

/** N = 2^17, r = 8, p = 1: 128 MiB and about 0.3 s a login. @see OWASP Password Storage Cheat Sheet, scrypt */
export const defaultScryptCost = 2 ** 17
/** A damaged or hostile header must not make a login eat the machine. */
const maxScryptCost = 2 ** 20
const blockSize = 8
const format = 'keyhsm-soft-token'
const version = 1
const pinCharacters = { least: 4, most: 255 }

const scryptAsync = promisify<BinaryLike, BinaryLike, number, ScryptOptions, Buffer>(scrypt)

/** Derives the keys of a PIN. The caller wipes both. */
export async function derivePinKeys(pin: string, header: TokenHeader): Promise<PinKeys> {
  const maxmem = 256 * header.scryptCost * blockSize
  const options = { N: header.scryptCost, r: blockSize, p: 1, maxmem }
  const derived = await scryptAsync(pin, header.salt, 64, options)
  const keys = {
    sealing: SecretBytes.own(Buffer.from(derived.subarray(0, 32))),
    naming: SecretBytes.own(Buffer.from(derived.subarray(32))),
  }
  derived.fill(0)
  return keys
}

/** Makes the header of a new token with a fresh token key. @throws ERR_INVALID_INPUT naming `pin`, `label` or the cost. */
export async function makeTokenHeader(
  label: string,
  pin: string,
  scryptCost: number,
): Promise<TokenHeader> {
  checkPin(pin)
  if (!/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,31}$/.test(label)) {
    throw invalidInput('label', 'must be 1 to 32 letters, digits, spaces, ".", "_" and "-"')
  }
  if (!isScryptCost(scryptCost)) throw invalidInput('scryptCost', 'must be a power of two')
  const serial = randomBytes(8).toString('hex')
  const unsealed = { serial, label, scryptCost, salt: randomBytes(16) }
  const keys = await derivePinKeys(pin, { ...unsealed, sealedTokenKey: Buffer.alloc(0) })
  const tokenKey = SecretBytes.random(32)
  const sealedTokenKey = sealBox(keys.sealing, tokenKey, associatedData(unsealed))
  for (const secret of [tokenKey, keys.sealing, keys.naming]) secret.wipe()
  return { ...unsealed, sealedTokenKey }
}

/** The token key, or undefined when these are not the keys of its PIN. */
export function openTokenKey(header: TokenHeader, keys: PinKeys): SecretBytes | undefined {
  return openBox(keys.sealing, header.sealedTokenKey, associatedData(header))
}

/** @throws ERR_INVALID_INPUT when the PIN does not have 4 to 255 characters. */
export function checkPin(pin: string): void {
  if (pin.length < pinCharacters.least || pin.length > pinCharacters.most) {
    throw invalidInput('pin', 'must be 4 to 255 characters')
  }
}

/** Reads the header of the token in `directory`. @throws the file system's error; ERR_HSM_REFUSED when it is damaged. */
export async function readTokenHeader(directory: string): Promise<TokenHeader> {
  return parseTokenHeader(await readFile(join(directory, 'token.json'), 'utf8'))
}

/** The text of `token.json`. */
export function formatTokenHeader(header: TokenHeader): string {
  const { serial, label, scryptCost } = header
  const salt = header.salt.toString('hex')
  const sealedTokenKey = header.sealedTokenKey.toString('hex')
  const fields = { format, version, serial, label, scryptCost, salt, sealedTokenKey }
  return `${JSON.stringify(fields, null, 2)}\n`
}

/** @throws ERR_HSM_REFUSED when the text is not a header of this version. */
export function parseTokenHeader(text: string): TokenHeader {
  const fields = parseJsonObject(text)
  const { serial, label, scryptCost, salt, sealedTokenKey } = fields
  const good =
    fields.format === format &&
    fields.version === version &&
    isHex(serial, 8) &&
    typeof label === 'string' &&
    isScryptCost(scryptCost) &&
    isHex(salt, 16) &&
    isHex(sealedTokenKey, 12 + 32 + 16)
  if (!good) throw new DomainError('ERR_HSM_REFUSED', 'the token header is damaged')
  return {
    serial,
    label,
    scryptCost,
    salt: Buffer.from(salt, 'hex'),
    sealedTokenKey: Buffer.from(sealedTokenKey, 'hex'),
  }
}

/** The object in a JSON text; an empty one when there is none, so that the field checks fail. */
export function parseJsonObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** True for lower-case hex of exactly `bytes` bytes. */
export function isHex(value: unknown, bytes: number): value is string {
  return typeof value === 'string' && value.length === 2 * bytes && /^[0-9a-f]*$/.test(value)
}

function isScryptCost(value: unknown): value is number {
  if (typeof value !== 'number' || !Number.isInteger(value)) return false
  return value >= 2 && value <= maxScryptCost && (value & (value - 1)) === 0
}

function associatedData(header: Omit<TokenHeader, 'sealedTokenKey'>): string {
  const { serial, label, scryptCost } = header
  return JSON.stringify([format, version, serial, label, scryptCost, header.salt.toString('hex')])
}
