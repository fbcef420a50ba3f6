/** Where an existing file of the audit ends: the last good entry, what stands after it, and whether a line is torn. */
import { open } from 'node:fs/promises'
import type { AuditHead } from './audit.js'
import { maxLineBytes } from './lines.js'
import { type EntryLine, type HeaderLine, parseLine } from './parse-line.js'

/** Enough for the last group that one write can have left half done, several times over. */
const windowBytes = 64 * maxLineBytes

export interface Tail {
  /** First line of the file; undefined when that is none. */
  readonly header: HeaderLine | undefined
  /** The last entry that is what its hash says, else what the header says; undefined when there is neither. */
  readonly head: AuditHead | undefined
  /** Sequence of the last checkpoint seen near the end. */
  readonly checkpointed: number
  /** Bytes up to and with the last newline. */
  readonly wholeBytes: number
  /** Bytes after the last newline: a line that a crash cut. */
  readonly torn: Buffer
  /** True when a whole line near the end is unreadable or breaks the chain. Nothing is cut then: it is evidence. */
  readonly damaged: boolean
}

interface Chain {
  head: AuditHead | undefined
  checkpointed: number
  damaged: boolean
}

function continues(head: AuditHead | undefined, entry: EntryLine): boolean {
  if (head === undefined) return true
  return entry.head.sequence === head.sequence + 1 && entry.previous === head.hash
}

function followChain(lines: readonly string[], start: AuditHead | undefined): Chain {
  const chain: Chain = { head: start, checkpointed: 0, damaged: false }
  for (const text of lines) {
    const line = parseLine(text)
    if (line?.type === 'checkpoint') chain.checkpointed = line.head.sequence
    else if (line?.type === 'entry' && line.unchanged) {
      chain.damaged ||= !continues(chain.head, line)
      chain.head = line.head
    } else chain.damaged = true
  }
  return chain
}

async function readAt(path: string, from: number, length: number): Promise<Buffer> {
  const handle = await open(path, 'r')
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, from)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

async function readHeader(path: string): Promise<{ header: HeaderLine | undefined; end: number }> {
  const start = await readAt(path, 0, maxLineBytes)
  const end = start.indexOf(0x0a) + 1
  const line = end > 0 ? parseLine(start.toString('utf8', 0, end - 1)) : undefined
  return line?.type === 'rotate' ? { header: line, end } : { header: undefined, end: 0 }
}

/** `sizeBytes` is the length to look at: a caller leaves out what it knows not to be durable. */
export async function readTail(
  path: string,
  sizeBytes: number,
  window = windowBytes,
): Promise<Tail> {
  const { header, end } = await readHeader(path)
  const from = Math.max(end, sizeBytes - window)
  const bytes = await readAt(path, from, Math.max(0, sizeBytes - from))
  const wholeLength = bytes.lastIndexOf(0x0a) + 1
  const lines = bytes.toString('utf8', 0, wholeLength).split('\n').slice(0, -1)
  // Unless the window begins right after the header, its first line is the end of one and says nothing.
  const fromHeader = from === end
  const chain = followChain(
    fromHeader ? lines : lines.slice(1),
    fromHeader ? header?.head : undefined,
  )
  if (chain.head === undefined && !fromHeader) return readTail(path, sizeBytes, sizeBytes)
  return {
    header,
    head: chain.head,
    checkpointed: chain.checkpointed,
    wholeBytes: from + wholeLength,
    torn: bytes.subarray(wholeLength),
    damaged: chain.damaged || header === undefined,
  }
}
