/** Finds where the audit in a directory ends and opens it there; begins one where there is none. */
import { createHash } from 'node:crypto'
import { open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { AuditEntry, AuditHead } from './audit.js'
import { currentName, listRotated, nextName, rotatedName } from './directory.js'
import { formatHeader, genesis } from './lines.js'
import { type Disk, LogFile, beginFile } from './log-file.js'
import { type Tail, readTail } from './tail.js'

export interface Resumed {
  readonly file: LogFile
  readonly head: AuditHead
  readonly checkpointed: number
  /** What was found that an auditor should know; to be appended first. */
  readonly notes: readonly Pick<AuditEntry, 'operation' | 'subject' | 'reason'>[]
}

interface Place {
  readonly directory: string
  readonly service: string
  readonly disk: Disk
}

/** A crash between link and rename left `audit.log` under two names; the old one is the right one. */
async function undoHalfRotation(directory: string, rotated: readonly number[]): Promise<number> {
  const last = rotated.at(-1) ?? 0
  if (last === 0) return 0
  const [current, closed] = await Promise.all([
    stat(join(directory, currentName)).catch(() => undefined),
    stat(join(directory, rotatedName(last))),
  ])
  if (current?.ino !== closed.ino) return last
  await rm(join(directory, rotatedName(last)))
  return rotated.at(-2) ?? 0
}

async function tailOf(path: string): Promise<Tail | undefined> {
  const size = await stat(path).then(
    (found) => found.size,
    () => undefined,
  )
  return size === undefined ? undefined : readTail(path, size)
}

async function cutTornLine(path: string, wholeBytes: number): Promise<void> {
  const handle = await open(path, 'r+')
  try {
    await handle.truncate(wholeBytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function notesOn(tail: Tail | undefined): Resumed['notes'] {
  const torn = tail && tail.torn.length > 0
  return [
    ...(torn
      ? [
          {
            operation: 'audit-cut',
            subject: {
              bytes: tail.torn.length,
              sha256: createHash('sha256').update(tail.torn).digest('hex'),
            },
            reason: 'a line that a crash left unfinished was taken off',
          },
        ]
      : []),
    ...(tail?.damaged
      ? [{ operation: 'audit-damaged', reason: 'lines at the end break the chain' }]
      : []),
  ]
}

/** @throws what the file system throws. */
export async function resumeAudit(place: Place): Promise<Resumed> {
  const { directory, service, disk } = place
  await rm(join(directory, nextName), { force: true })
  const last = await undoHalfRotation(directory, await listRotated(directory))
  const current = join(directory, currentName)
  const tail = await tailOf(current)
  const notes = notesOn(tail)
  const checkpointed = tail?.checkpointed ?? 0
  if (tail?.head !== undefined) {
    if (tail.torn.length > 0) await cutTornLine(current, tail.wholeBytes)
    const file = await LogFile.open(current, last + 1, disk)
    return { file, head: tail.head, checkpointed, notes }
  }
  const before = last === 0 ? undefined : await tailOf(join(directory, rotatedName(last)))
  const head = before?.head ?? genesis
  // An `audit.log` without a line of ours keeps its content under the next number.
  const number = tail === undefined ? last + 1 : last + 2
  const file = await beginFile({
    directory,
    number,
    header: formatHeader(service, number, head),
    disk,
  })
  return { file, head, checkpointed, notes }
}
