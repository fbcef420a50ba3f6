/**
 * PBEWithMD5AndTripleDES, which protects the entries of a JCEKS keystore: old, but what those files are made with. Used for reading and
 * writing such files and for nothing else.
 * @see docs/formats/hadoop-keystore.md#entries
 */
import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto'
import { invalidInput } from '@keyhsm/core'
import { broken } from './broken.js'

const cipher = 'des-ede3-cbc'
const keyBytes = 24
const ivBytes = 8
const digestBytes = 16
export const saltBytes = 8
/** Java refuses more. observed: JDK 17 writes 200000. */
const maxIterations = 5_000_000
export const iterations = 200_000
/** Behind the heads of sequence and salt, and the salt. */
const numberAt = 4 + saltBytes

export interface PasswordParameters {
  readonly salt: Buffer
  readonly iterations: number
}

/** As java.security's parameters of type PBE: a sequence of salt and iterations. @throws ERR_INTEGRITY */
export function parseParameters(der: Buffer): PasswordParameters {
  const salt = der.subarray(4, numberAt)
  const length = der[numberAt + 1] ?? 0
  // A positive number of at most four bytes; what it is written like is checked by writing it again.
  if (length < 1 || length > 4 || der.length !== numberAt + 2 + length)
    throw broken('an entry is protected in another way')
  const parameters = { salt: Buffer.from(salt), iterations: der.readIntBE(numberAt + 2, length) }
  if (!formatParameters(parameters).equals(der))
    throw broken('an entry is protected in another way')
  if (parameters.iterations < 1 || parameters.iterations > maxIterations)
    throw broken('an entry has too many iterations')
  return parameters
}

export function formatParameters(p: PasswordParameters): Buffer {
  const number = Buffer.alloc(4)
  number.writeInt32BE(p.iterations)
  let start = 0
  while (start < 3 && number[start] === 0 && (number[start + 1] ?? 0) < 0x80) start += 1
  const digits = number.subarray(start)
  const body = Buffer.concat([
    Buffer.from([0x04, saltBytes]),
    p.salt,
    Buffer.from([0x02, digits.length]),
    digits,
  ])
  return Buffer.concat([Buffer.from([0x30, body.length]), body])
}

/** @throws ERR_INTEGRITY when the password is not the one. */
export function decryptWithPassword(
  password: string,
  parameters: PasswordParameters,
  encrypted: Buffer,
): Buffer {
  return withDerived(password, parameters, (key, iv) => {
    const decipher = createDecipheriv(cipher, key, iv)
    try {
      return Buffer.concat([decipher.update(encrypted), decipher.final()])
    } catch {
      throw broken('the password does not open its entries')
    }
  })
}

export function encryptWithPassword(
  plain: Buffer,
  { password, rounds }: { readonly password: string; readonly rounds: number },
): { readonly parameters: PasswordParameters; readonly encrypted: Buffer } {
  const parameters = { salt: randomBytes(saltBytes), iterations: rounds }
  const encrypted = withDerived(password, parameters, (key, iv) => {
    const made = createCipheriv(cipher, key, iv)
    return Buffer.concat([made.update(plain), made.final()])
  })
  return { parameters, encrypted }
}

/** Java takes nothing else for such a password. @throws ERR_INVALID_INPUT naming `field`. */
export function requirePassword(text: string, field: string): string {
  if (/^[\x20-\x7e]+$/.test(text)) return text
  throw invalidInput(field, 'must hold a password of printable ASCII characters')
}

function withDerived<Result>(
  password: string,
  { salt, iterations: count }: PasswordParameters,
  use: (key: Buffer, iv: Buffer) => Result,
): Result {
  const secret = Buffer.from(password, 'latin1')
  const halves = distinctHalves(salt)
  const derived = Buffer.concat(halves.map((half) => digestRounds(half, secret, count)))
  try {
    return use(derived.subarray(0, keyBytes), derived.subarray(keyBytes, keyBytes + ivBytes))
  } finally {
    derived.fill(0)
    secret.fill(0)
  }
}

function digestRounds(half: Buffer, secret: Buffer, count: number): Buffer {
  const input = Buffer.concat([Buffer.alloc(digestBytes), secret])
  const begun = Buffer.concat([half, secret])
  // Two hundred thousand rounds: a text of Latin-1 ('binary') costs a quarter of a hash object and a buffer.
  for (let round = 0; round < count - 1; round += 1)
    input.write(hash('md5', round === 0 ? begun : input, 'binary'), 0, 'binary')
  const derived = hash('md5', count === 1 ? begun : input, 'buffer')
  input.fill(0)
  begun.fill(0)
  return derived
}

/**
 * The salt's halves; equal ones would give the same half of the key twice, so Java changes the first. It means to turn it round, but writes
 * two of the bytes to one place; what it does is what counts.
 */
function distinctHalves(salt: Buffer): readonly [Buffer, Buffer] {
  const first = Buffer.from(salt.subarray(0, 4))
  const second = salt.subarray(4, 8)
  if (!first.equals(second)) return [first, second]
  for (let i = 0; i < 2; i += 1) {
    const kept = first[i] ?? 0
    first[i] = first[3 - i] ?? 0
    first[2] = kept
  }
  return [first, second]
}
