/** Reads a log file line by line in constant memory. */
import { type FileHandle, open } from 'node:fs/promises'
import { maxLineBytes } from './lines.js'

export interface RawLine {
  /** Counted from 1. */
  readonly number: number
  /** Without its newline; undefined when it is longer than any line of ours or no UTF-8. */
  readonly text: string | undefined
  /** False for bytes at the end without a newline. */
  readonly whole: boolean
  readonly bytes: number
}

// Bytes that are no UTF-8 are no line of ours; the default decoder would quietly turn them into something.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decode(parts: readonly Buffer[]): string | undefined {
  try {
    return decoder.decode(Buffer.concat(parts))
  } catch {
    return undefined
  }
}

const chunkBytes = 256 * 1024

/** Up to the size the file has now: one that grows meanwhile must not be followed for ever. */
async function* readChunks(handle: FileHandle): AsyncGenerator<Buffer> {
  const { size } = await handle.stat()
  for (let position = 0; position < size; ) {
    const length = Math.min(chunkBytes, size - position)
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<RawLine> {
  let parts: Buffer[] = []
  let bytes = 0
  let number = 0
  const take = (whole: boolean): RawLine => {
    number += 1
    const text = bytes > maxLineBytes ? undefined : decode(parts)
    const line = { number, text, whole, bytes }
    parts = []
    bytes = 0
    return line
  }
  const add = (part: Buffer): void => {
    bytes += part.length
    if (bytes <= maxLineBytes) parts.push(part)
  }
  for await (const chunk of chunks) {
    let rest = chunk
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      add(rest.subarray(0, end))
      yield take(true)
      rest = rest.subarray(end + 1)
    }
    add(rest)
  }
  if (bytes > 0) yield take(false)
}

/** A handle is read from its beginning and left open. @throws what the file system throws. */
export async function* readLines(source: string | FileHandle): AsyncGenerator<RawLine> {
  if (typeof source !== 'string') {
    yield* splitLines(readChunks(source))
    return
  }
  const handle = await open(source, 'r')
  try {
    yield* splitLines(readChunks(handle))
  } finally {
    await handle.close()
  }
}

/** The first line of a file, or undefined when it has no whole one. */
export async function readFirstLine(source: string | FileHandle): Promise<string | undefined> {
  for await (const line of readLines(source)) return line.whole ? line.text : undefined
  return undefined
}
