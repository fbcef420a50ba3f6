/** Opens an audit for writing: one process a directory. */
import { type FileHandle, open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { invalidInput, newUuid, systemClock } from '@keyhsm/core'
import type { Audit, AuditEntry, AuditHead, AuditOptions, AuditState } from './audit.js'
import { Checkpoints } from './checkpoints.js'
import { auditUnavailable, currentName, ensureAuditDirectory, lockAudit } from './directory.js'
import { describeSystemError } from '../file-errors.js'
import { formatFields, formatHeader } from './lines.js'
import { ensureLogId } from './log-id.js'
import { type Disk, type LogFile, beginFile, realDisk } from './log-file.js'
import { type Resumed, resumeAudit } from './resume.js'
import { readTail } from './tail.js'
import { AuditWriter, type Recovered } from './writer.js'

const probeName = 'audit.probe'
/** Room for a hundred entries: a disk that takes a header but no entries must not get a new file with every try. */
const probeBytes = 64 * 1024

async function probeRoom(directory: string): Promise<void> {
  const path = join(directory, probeName)
  try {
    const handle = await open(path, 'w', 0o600)
    try {
      await writeFile(handle, Buffer.alloc(probeBytes, 0x20))
      await handle.sync()
    } finally {
      await handle.close()
    }
  } finally {
    await rm(path, { force: true }).catch(() => undefined)
  }
}

/** How the writer gets its next file in `directory`. */
function fileSource(directory: string, service: string, disk: Disk) {
  const begin = (closed: LogFile, head: AuditHead): Promise<LogFile> => {
    // A failing disk must not get a file with nothing but a header for every try.
    const replaces = !closed.hasLines
    const number = replaces ? closed.number : closed.number + 1
    const header = formatHeader(service, number, head)
    return beginFile({ directory, number, header, replaces, disk })
  }
  return {
    async rotate(full: LogFile, head: AuditHead): Promise<LogFile> {
      const next = await begin(full, head)
      await full.close().catch(() => undefined)
      return next
    },
    async recover(failed: LogFile, head: AuditHead): Promise<Recovered> {
      await probeRoom(directory)
      // What the failed file holds is read again, not believed: an acknowledged entry may have gone with it.
      const path = join(directory, currentName)
      const tail = await readTail(path, failed.durableBytes).catch(() => undefined)
      return { file: await begin(failed, head), intact: tail?.head?.hash === head.hash }
    },
  }
}

class OpenAudit implements Audit {
  readonly id: string
  readonly #writer: AuditWriter
  readonly #checkpoints: Checkpoints | undefined
  readonly #lock: FileHandle
  #closing: Promise<void> | undefined

  constructor(
    id: string,
    writer: AuditWriter,
    checkpoints: Checkpoints | undefined,
    lock: FileHandle,
  ) {
    this.id = id
    this.#writer = writer
    this.#checkpoints = checkpoints
    this.#lock = lock
  }

  async append(entry: AuditEntry): Promise<AuditHead> {
    const head = await this.#writer.append(entry, formatFields(entry))
    this.#checkpoints?.noticed()
    return head
  }

  head(): AuditHead {
    return this.#writer.head
  }

  anchor(peerService: string, sequence: number, hash: string): Promise<AuditHead> {
    return this.append(note({ operation: 'anchor', subject: { peerService, sequence, hash } }))
  }

  async checkpoint(): Promise<void> {
    await this.#checkpoints?.run()
  }

  state(): AuditState {
    if (this.#writer.closed) return { healthy: false, detail: 'the audit is closed' }
    const failure = this.#writer.failure
    if (failure !== undefined) return { healthy: false, detail: failure }
    const { sequence } = this.#writer.head
    const checkpoints = this.#checkpoints
    if (!checkpoints?.signs) return { healthy: true, detail: `${sequence} entries` }
    const { failed, signed } = checkpoints
    const detail = `${sequence} entries${failed ? ', the last checkpoint failed' : ''}`
    return { healthy: true, detail, unsigned: sequence - signed, checkpointFailed: failed }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#checkpoints?.stop()
    // A signer that is gone must not keep a service from stopping; onProblem was told by the last periodic try.
    await this.#checkpoints?.run().catch(() => undefined)
    await this.#writer.close()
    await this.#lock.close()
  }
}

function note(about: Resumed['notes'][number]): AuditEntry {
  return { event: 'note', requestId: newUuid(), actor: 'service', ...about }
}

/** Asked at each checkpoint. */
function toSource(signer: NonNullable<AuditOptions['signer']>) {
  return typeof signer === 'function' ? signer : () => signer
}

async function startAudit(o: AuditOptions, disk: Disk, lock: FileHandle): Promise<Audit> {
  const { directory, service } = o
  const clock = o.clock ?? systemClock
  const now = (): Date => clock.now()
  const onProblem = o.onProblem ?? (() => undefined)
  const resumed = await resumeAudit({ directory, service, disk })
  const writer = new AuditWriter(
    {
      service,
      now,
      maxFileBytes: o.maxFileBytes ?? 16 * 1024 * 1024,
      retryMs: o.retryMs ?? 250,
      ...fileSource(directory, service, disk),
      onProblem,
      onEntries: o.onEntries ?? (() => undefined),
    },
    resumed.file,
    resumed.head,
  )
  const { signer } = o
  const checkpoints =
    signer &&
    new Checkpoints(
      {
        signer: toSource(signer),
        service,
        now,
        every: o.checkpointEvery ?? 1000,
        intervalMs: o.checkpointIntervalMs ?? 60_000,
        head: () => writer.head,
        write: (line) => writer.appendRaw(line),
        onProblem,
      },
      resumed.checkpointed,
    )
  const audit = new OpenAudit(await ensureLogId(directory), writer, checkpoints, lock)
  for (const about of resumed.notes) await audit.append(note(about))
  return audit
}

/** As {@link openAudit}, over a disk that a test can make fail. */
export async function openAuditOn(o: AuditOptions, disk: Disk): Promise<Audit> {
  // Longer, and an entry of the greatest size would no longer fit into a line.
  if (o.service.length < 1 || o.service.length > 128) {
    throw invalidInput('service', 'must be 1 to 128 characters')
  }
  await ensureAuditDirectory(o.directory)
  const lock = await lockAudit(o.directory)
  try {
    return await startAudit(o, disk, lock)
  } catch (error) {
    await lock.close()
    throw auditUnavailable(`the audit cannot be opened: ${describeSystemError(error)}`, error)
  }
}

/**
 * Opens the audit in `directory` and goes on where it ends; begins one where there is none. A line that a crash left
 * unfinished is taken off, and a note says so.
 * @throws ERR_AUDIT_UNAVAILABLE when the directory cannot be used or another process has it open; ERR_INVALID_INPUT for a
 * service name over 128 characters.
 */
export function openAudit(o: AuditOptions): Promise<Audit> {
  return openAuditOn(o, realDisk)
}
