/**
 * Group commit: what waits is written by one synced write, and only then acknowledged. After a failed write
 * everything that waits is refused and the file abandoned; later appends (and a timer) try a new file, with pauses
 * that grow until an entry has reached the disk again.
 */
import { type DomainError, newUuid } from '@keyhsm/core'
import type { AuditEntry, AuditHead, WrittenEntry } from './audit.js'
import { auditUnavailable } from './directory.js'
import { formatEntry, formatFields } from './lines.js'
import type { LogFile } from './log-file.js'
import { describeSystemError } from '../file-errors.js'

/** One write takes at most this much, so that a long queue does not become one long wait. */
const maxGroupBytes = 256 * 1024
/** So many callers go on in one turn of the event loop: whole groups at once would hold it up for milliseconds. */
const acknowledgedPerTurn = 8

/** A line waiting for the disk; an entry moves the head, a checkpoint does not. */
export type Pending =
  | {
      readonly entry: AuditEntry
      readonly fields: string
      readonly done: (head: AuditHead) => void
      readonly failed: Refuse
    }
  | { readonly raw: string; readonly done: (head: AuditHead) => void; readonly failed: Refuse }
type Refuse = (error: DomainError) => void

export interface WriterOptions {
  readonly service: string
  readonly now: () => Date
  readonly maxFileBytes: number
  readonly retryMs: number
  /** Closes `file` in favour of the next one, which continues at `head`. */
  readonly rotate: (file: LogFile, head: AuditHead) => Promise<LogFile>
  /** The next file after `failed` was abandoned; `intact` says whether all that was acknowledged is still in it. */
  readonly recover: (failed: LogFile, head: AuditHead) => Promise<Recovered>
  readonly onProblem: (error: DomainError) => void
  readonly onEntries: (entries: readonly WrittenEntry[]) => void
}

export interface Recovered {
  readonly file: LogFile
  readonly intact: boolean
}

interface Failure {
  readonly detail: string
  readonly cause: unknown
  readonly file: LogFile
  readonly retryAt: number
  /** Lines refused since, for the note that ends it. */
  refused: number
}

interface Group {
  readonly items: readonly Pending[]
  readonly heads: readonly AuditHead[]
  readonly bytes: Buffer
}

/** Takes lines from many callers and brings them to the disk in their order. */
export class AuditWriter {
  readonly #options: WriterOptions
  #file: LogFile
  #head: AuditHead
  #queue: Pending[] = []
  #draining: Promise<void> | undefined
  #acknowledging: Promise<void> = Promise.resolve()
  #failure: Failure | undefined
  #pauseMs: number
  #retryTimer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: WriterOptions, file: LogFile, head: AuditHead) {
    this.#options = options
    this.#file = file
    this.#head = head
    this.#pauseMs = options.retryMs
  }

  get head(): AuditHead {
    return this.#head
  }

  get failure(): string | undefined {
    return this.#failure?.detail
  }

  get closed(): boolean {
    return this.#closed
  }

  /** `fields`: the text of `entry`. */
  append(entry: AuditEntry, fields: string): Promise<AuditHead> {
    return this.#enqueue((done, failed) => ({ entry, fields, done, failed }))
  }

  /** A whole line that is no entry; resolves with the head at that time. */
  appendRaw(raw: string): Promise<AuditHead> {
    return this.#enqueue((done, failed) => ({ raw, done, failed }))
  }

  /** Waits for what was appended; refuses everything after. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retryTimer)
    await this.#draining
    await this.#acknowledging
    if (this.#failure === undefined) await this.#file.close().catch(() => undefined)
  }

  #enqueue(make: (done: (head: AuditHead) => void, failed: Refuse) => Pending): Promise<AuditHead> {
    if (this.#closed) return Promise.reject(auditUnavailable('the audit is closed'))
    return new Promise((done, failed) => {
      this.#queue.push(make(done, failed))
      this.#draining ??= this.#drain()
    })
  }

  async #drain(): Promise<void> {
    // Callers of the same turn of the event loop share the first write.
    await nextTurn()
    while (this.#queue.length > 0) {
      if (await this.#isWritable()) await this.#commit()
      else this.#refuseAll()
    }
    this.#draining = undefined
  }

  async #commit(): Promise<void> {
    const group = this.#takeGroup()
    try {
      await this.#file.append(group.bytes)
    } catch (error) {
      this.#queue.unshift(...group.items)
      await this.#fail(error)
      return
    }
    this.#head = group.heads.at(-1) ?? this.#head
    this.#pauseMs = this.#options.retryMs
    // Beside the next write, in the order of the chain.
    this.#acknowledging = this.#acknowledging.then(() => this.#acknowledge(group))
  }

  async #acknowledge({ items, heads }: Group): Promise<void> {
    for (let from = 0; from < items.length; from += acknowledgedPerTurn) {
      if (from > 0) await nextTurn()
      const written: WrittenEntry[] = []
      for (const [index, item] of items.slice(from, from + acknowledgedPerTurn).entries()) {
        const head = heads[from + index] ?? this.#head
        item.done(head)
        if ('entry' in item) written.push({ entry: item.entry, head })
      }
      if (written.length > 0) this.#options.onEntries(written)
    }
  }

  #takeGroup(): Group {
    const lines: string[] = []
    const heads: AuditHead[] = []
    let head = this.#head
    let bytes = 0
    const { service } = this.#options
    const at = this.#options.now().toISOString()
    for (const item of this.#queue) {
      const made =
        'entry' in item ? formatEntry(item.fields, { head, at, service }) : { line: item.raw, head }
      head = made.head
      lines.push(made.line)
      heads.push(head)
      bytes += made.line.length
      if (bytes >= maxGroupBytes) break
    }
    const items = this.#queue.splice(0, lines.length)
    return { items, heads, bytes: Buffer.from(lines.join('')) }
  }

  /** Makes sure there is a file to write to: the next one when this is full, a new one when the last one failed. */
  async #isWritable(): Promise<boolean> {
    const failure = this.#failure
    if (failure !== undefined) {
      return performance.now() >= failure.retryAt && !this.#closed && this.#recover(failure)
    }
    if (this.#file.durableBytes < this.#options.maxFileBytes) return true
    try {
      this.#file = await this.#options.rotate(this.#file, this.#head)
      return true
    } catch (error) {
      await this.#fail(error)
      return false
    }
  }

  async #fail(error: unknown): Promise<void> {
    await this.#file.abandon()
    this.#failure = {
      detail: `the audit cannot be written: ${describeSystemError(error)}`,
      cause: error,
      file: this.#file,
      retryAt: performance.now() + this.#pauseMs,
      refused: 0,
    }
    this.#options.onProblem(auditUnavailable(this.#failure.detail, error))
    this.#schedule()
  }

  #schedule(): void {
    clearTimeout(this.#retryTimer)
    if (this.#closed) return
    this.#retryTimer = setTimeout(() => {
      this.#draining ??= this.#retry()
    }, this.#pauseMs)
    this.#retryTimer.unref()
    this.#pauseMs = Math.min(this.#pauseMs * 2, this.#options.retryMs * 20)
  }

  /** The timer's way to a new file: health turns green without a request having to fail first. */
  async #retry(): Promise<void> {
    if (this.#failure !== undefined && !this.#closed) await this.#recover(this.#failure)
    await this.#drain()
  }

  async #recover(failure: Failure): Promise<boolean> {
    try {
      const { file, intact } = await this.#options.recover(failure.file, this.#head)
      this.#file = file
      this.#failure = undefined
      clearTimeout(this.#retryTimer)
      const note = recoveryNote(failure, intact)
      const nobody = { done: () => undefined, failed: () => undefined }
      this.#queue.unshift({ entry: note, fields: formatFields(note), ...nobody })
      return true
    } catch (error) {
      this.#failure = { ...failure, cause: error, retryAt: performance.now() + this.#pauseMs }
      this.#schedule()
      return false
    }
  }

  #refuseAll(): void {
    const failure = this.#failure
    const waiting = this.#queue.splice(0)
    if (failure) failure.refused += waiting.length
    const pause = failure ? Math.max(1, Math.ceil(failure.retryAt - performance.now())) : undefined
    for (const item of waiting) {
      item.failed(auditUnavailable(failure?.detail ?? 'the audit is closed', failure?.cause, pause))
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function recoveryNote(failure: Failure, intact: boolean): AuditEntry {
  return {
    event: 'note',
    operation: 'audit-recovered',
    requestId: newUuid(),
    actor: 'service',
    subject: { refused: failure.refused },
    reason: intact ? failure.detail : `${failure.detail}; entries written before are gone`,
  }
}
