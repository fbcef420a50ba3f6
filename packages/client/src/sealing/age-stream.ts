/**
 * Streams in the age format, in constant memory: backups, which are larger than what is held at once. Loaded when needed.
 * age says nothing of who wrote a file: whoever must know compares its hash with one kept elsewhere.
 */
import { Readable } from 'node:stream'
import { DomainError } from '@keyhsm/core'
import type { Decrypter, Encrypter } from 'age-encryption'
import { kindOfRecipients } from './recipients.js'
import { addRecipient, isAgeFile } from './seal-for-readers.js'

/** Who shall be able to read: recipients of one kind, or one passphrase. */
export type AgeReaders =
  | { readonly recipients: readonly string[] }
  | {
      readonly passphrase: string
      /** Binary logarithm of scrypt's N; absent: 18, as age does, about a second. */
      readonly workFactor?: number
    }

/** What opens: an identity (`AGE-SECRET-KEY-…`), or the passphrase. */
export type AgeKey = { readonly identity: string } | { readonly passphrase: string }

type Bytes = AsyncIterable<Uint8Array>

const damaged = 'the file is damaged, cut or was changed'

/** The encrypted form of `plain`. @throws ERR_INVALID_INPUT for recipients that are none or of two kinds. */
export async function encryptStream(plain: Bytes, readers: AgeReaders): Promise<Readable> {
  const { Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  addReaders(encrypter, readers)
  return fromWeb(await encrypter.encrypt(toWeb(plain)))
}

/**
 * The content of `sealed`, each 64 KiB of it verified before it is given out; only who has read it to its end knows that
 * nothing is missing.
 * @throws ERR_INVALID_INPUT when it is no age file; ERR_NOT_ALLOWED when the key does not open it; the stream ends with
 * ERR_INTEGRITY for a damaged or cut one.
 */
export async function decryptStream(sealed: Bytes, key: AgeKey): Promise<Readable> {
  const { Decrypter } = await import('age-encryption')
  const decrypter = new Decrypter()
  addKey(decrypter, key)
  const rest = await beginsAsAge(sealed)
  const plain = await decrypter.decrypt(toWeb(rest)).catch((cause: unknown) => {
    throw new DomainError('ERR_NOT_ALLOWED', 'this identity or passphrase does not open the file', {
      cause,
      hints: ['or the beginning of the file is damaged'],
    })
  })
  return Readable.from(translated(fromWeb(plain)))
}

function addReaders(encrypter: Encrypter, readers: AgeReaders): void {
  if ('passphrase' in readers) {
    encrypter.setPassphrase(readers.passphrase)
    if (readers.workFactor !== undefined) encrypter.setScryptWorkFactor(readers.workFactor)
    return
  }
  kindOfRecipients(readers.recipients)
  for (const recipient of readers.recipients) addRecipient(encrypter, recipient)
}

function addKey(decrypter: Decrypter, key: AgeKey): void {
  if ('passphrase' in key) {
    decrypter.addPassphrase(key.passphrase)
    return
  }
  try {
    decrypter.addIdentity(key.identity)
  } catch {
    throw new DomainError('ERR_INVALID_INPUT', 'the identity is none of age', {
      faults: [
        { field: 'identity', rule: 'must hold one AGE-SECRET-KEY-… without a typing error' },
      ],
    })
  }
}

/** Looks at the first bytes and gives all of them on. */
async function beginsAsAge(sealed: Bytes): Promise<Bytes> {
  const source = sealed[Symbol.asyncIterator]()
  let head = Buffer.alloc(0)
  while (head.length < 64) {
    const { done, value } = await source.next()
    if (done) break
    head = Buffer.concat([head, value])
  }
  if (!isAgeFile(head))
    throw new DomainError('ERR_INVALID_INPUT', 'this is no file in the age format')
  return (async function* () {
    yield head
    for (let next = await source.next(); !next.done; next = await source.next()) yield next.value
  })()
}

async function* translated(plain: Bytes): Bytes {
  try {
    yield* plain
  } catch (cause) {
    if (cause instanceof DomainError) throw cause
    throw new DomainError('ERR_INTEGRITY', damaged, { cause })
  }
}

function toWeb(bytes: Bytes): ReadableStream<Uint8Array> {
  return Readable.toWeb(Readable.from(bytes)) as ReadableStream<Uint8Array>
}

function fromWeb(stream: ReadableStream<Uint8Array>): Readable {
  return Readable.fromWeb(stream as Parameters<typeof Readable.fromWeb>[0])
}

/**
 * The one identity in the text of a file as `age-keygen` writes it: lines, `#` begins a comment.
 * @throws ERR_INVALID_INPUT when there is none, or several.
 */
export function parseIdentityFile(text: string): string {
  const lines = listLines(text)
  const [identity] = lines
  if (lines.length === 1 && identity?.startsWith('AGE-SECRET-KEY-')) return identity
  throw new DomainError('ERR_INVALID_INPUT', 'the identity file must hold one age identity', {
    faults: [{ field: 'identity', rule: 'must be one line AGE-SECRET-KEY-…; # begins a comment' }],
  })
}

/** The recipients in the text of a file: one a line, `#` begins a comment. */
export function parseRecipientsFile(text: string): readonly string[] {
  return listLines(text)
}

function listLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}
