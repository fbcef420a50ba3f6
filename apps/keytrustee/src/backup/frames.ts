/**
 * The plain form of a backup, before compression and encryption: a magic line, then parts, each a line of JSON and its bytes
 * in chunks. docs/formats/backup.md has every byte. Nothing here knows what the parts mean.
 */
import { DomainError } from '@keyhsm/core'

export type Bytes = AsyncIterable<Uint8Array>

/** Line of JSON before a part's bytes; `part` says what it is. */
export interface PartHeader {
  readonly part: string
  readonly name: string
  readonly [field: string]: unknown
}

export interface Part {
  readonly header: PartHeader
  /** To be read to its end before the next part is asked for. */
  readonly data: Bytes
}

const magic = 'keytrustee-backup 1'
/** The last header names every table and scope: generous, and no room for an attack on the memory. */
const maxLineBytes = 16 * 1024 * 1024
const maxChunkBytes = 1024 * 1024

export function damagedBackup(what: string): DomainError {
  return new DomainError('ERR_INTEGRITY', `the backup is damaged: ${what}`)
}

/** @throws what the parts throw. */
export async function* formatFrames(parts: AsyncIterable<Part>): AsyncGenerator<Buffer> {
  yield Buffer.from(`${magic}\n`)
  for await (const { header, data } of parts) {
    yield Buffer.from(`${JSON.stringify(header)}\n`)
    for await (const bytes of data) yield* formatChunks(bytes)
    yield Buffer.alloc(4)
  }
}

function* formatChunks(bytes: Uint8Array): Generator<Buffer> {
  for (let from = 0; from < bytes.length; from += maxChunkBytes) {
    const chunk = bytes.subarray(from, from + maxChunkBytes)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(chunk.length)
    yield length
    yield Buffer.from(chunk)
  }
}

/** @throws ERR_INTEGRITY for anything that {@link formatFrames} does not write. */
export async function* parseFrames(bytes: Bytes): AsyncGenerator<Part> {
  const reader = new ByteReader(bytes)
  if ((await reader.line()) !== magic) throw damagedBackup('it does not begin as one')
  for (;;) {
    const line = await reader.line()
    if (line === undefined) return
    const data = readChunks(reader)
    yield { header: parseHeader(line), data }
    // What the caller left is skipped, so that the next line is a header.
    for await (const _ of data);
  }
}

async function* readChunks(reader: ByteReader): AsyncGenerator<Buffer> {
  for (;;) {
    const length = (await reader.take(4)).readUInt32BE()
    if (length === 0) return
    if (length > maxChunkBytes) throw damagedBackup('a chunk is too long')
    yield await reader.take(length)
  }
}

function parseHeader(line: string): PartHeader {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null && 'part' in value && 'name' in value)
      if (typeof value.part === 'string' && typeof value.name === 'string')
        return { ...value, part: value.part, name: value.name }
  } catch {
    // Falls through to the one error.
  }
  throw damagedBackup('a part has no header')
}

class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  #rest: Buffer = Buffer.alloc(0)

  constructor(bytes: Bytes) {
    this.#source = bytes[Symbol.asyncIterator]()
  }

  /** Without its newline; undefined at the end. */
  async line(): Promise<string | undefined> {
    let looked = 0
    for (;;) {
      const end = this.#rest.indexOf(0x0a, looked)
      if (end >= 0) {
        const line = this.#rest.toString('utf8', 0, end)
        this.#rest = this.#rest.subarray(end + 1)
        return line
      }
      looked = this.#rest.length
      if (looked > maxLineBytes) throw damagedBackup('a header is too long')
      if (await this.#more()) continue
      if (looked === 0) return undefined
      throw damagedBackup('it ends in a header')
    }
  }

  async take(length: number): Promise<Buffer> {
    while (this.#rest.length < length)
      if (!(await this.#more())) throw damagedBackup('it ends within a part')
    const taken = this.#rest.subarray(0, length)
    this.#rest = this.#rest.subarray(length)
    return taken
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#source.next()
    if (done) return false
    this.#rest = this.#rest.length === 0 ? Buffer.from(value) : Buffer.concat([this.#rest, value])
    return true
  }
}

/** Bytes given on as they are, with a look at each. */
export async function* watched(data: Bytes, look: (bytes: Uint8Array) => void): Bytes {
  for await (const bytes of data) {
    look(bytes)
    yield bytes
  }
}

/** Everything of a small part. @throws ERR_INTEGRITY above `maxBytes`. */
export async function collect(data: Bytes, maxBytes: number): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const bytes of data) {
    size += bytes.length
    if (size > maxBytes) throw damagedBackup('a part is too long')
    parts.push(bytes)
  }
  return Buffer.concat(parts)
}
