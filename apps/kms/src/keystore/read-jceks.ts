/**
 * A keystore in Java's JCEKS format: aliases and the serialised, still protected keys. Its digest is checked before anything is read.
 * @see docs/formats/hadoop-keystore.md
 */
import { broken } from './broken.js'
import { ByteCursor } from './byte-cursor.js'
import { digestBytes, requireDigest } from './keystore-digest.js'
import { type JavaObject, type JavaValue, readJavaStream } from './java-objects.js'
import { decryptWithPassword, parseParameters } from './password-cipher.js'

export const jceksHead = { magic: 0xcececece, version: 2, secretKey: 3 } as const
/** JDK before 8 wrote the second one. */
const sealedClasses = [
  'com.sun.crypto.provider.SealedObjectForKeyProtector',
  'javax.crypto.SealedObject',
]
export const protection = 'PBEWithMD5AndTripleDES'

/** One secret key of the store, which only its password opens. */
export interface ProtectedEntry {
  /** In lower case always: Java folds it. */
  readonly alias: string
  readonly storedAt: Date
  readonly parameters: Buffer
  readonly encrypted: Buffer
}

/** @throws ERR_NOT_AUTHENTICATED for another password or a changed file; ERR_INTEGRITY for what is no JCEKS keystore. */
export function readJceks(bytes: Buffer, password: string): readonly ProtectedEntry[] {
  if (bytes.length < 12 + digestBytes || bytes.readUInt32BE() !== jceksHead.magic)
    throw broken('it is not in JCEKS format')
  requireDigest(bytes, password, 'give the file with its password: --password-file F')
  const cursor = new ByteCursor(bytes.subarray(0, -digestBytes))
  cursor.int()
  if (cursor.int() !== jceksHead.version) throw broken('its version is not known')
  const entries = Array.from({ length: countOf(cursor) }, () => readEntry(cursor))
  if (cursor.left > 0) throw broken('something stands behind its entries')
  return entries
}

/** The serialised key within an entry. @throws ERR_INTEGRITY; ERR_NOT_AUTHENTICATED never: the digest has proved the password. */
export function openEntry(
  { parameters, encrypted }: ProtectedEntry,
  password: string,
  ownWriters: ReadonlySet<string>,
): JavaObject {
  const plain = decryptWithPassword(password, parseParameters(parameters), encrypted)
  try {
    const value = readJavaStream(new ByteCursor(plain), ownWriters)
    if (!isObject(value)) throw broken('an entry is no key')
    return copied(value)
  } finally {
    plain.fill(0)
  }
}

/** An entry takes more than thirty bytes: a number beyond that is damage, not memory to be taken. */
function countOf(cursor: ByteCursor): number {
  const count = cursor.int()
  if (count < 0 || count > cursor.left / 30) throw broken('it has not as many entries as it says')
  return count
}

function readEntry(cursor: ByteCursor): ProtectedEntry {
  if (cursor.int() !== jceksHead.secretKey) throw broken('it holds something else than secret keys')
  const alias = cursor.utf()
  const storedAt = new Date(Number(cursor.long()))
  const sealed = readJavaStream(cursor, new Set())
  if (!isObject(sealed) || !sealedClasses.includes(sealed.className))
    throw broken('an entry is protected in another way')
  if (sealed.fields.get('sealAlg') !== protection)
    throw broken('an entry is protected in another way')
  const parameters = sealed.fields.get('encodedParams')
  const encrypted = sealed.fields.get('encryptedContent')
  if (!Buffer.isBuffer(parameters) || !Buffer.isBuffer(encrypted))
    throw broken('an entry has no content')
  return { alias, storedAt, parameters, encrypted }
}

function isObject(value: JavaValue): value is JavaObject {
  return typeof value === 'object' && value !== null && !Buffer.isBuffer(value)
}

/** Out of the plain text, which is wiped. */
function copied(object: JavaObject): JavaObject {
  const fields = [...object.fields].map(
    ([name, value]) => [name, Buffer.isBuffer(value) ? Buffer.from(value) : value] as const,
  )
  return { ...object, fields: new Map(fields), written: Buffer.from(object.written) }
}
