/**
 * A log file that rolls by size through a fixed window of closed files. Writes are synchronous, so that the last words
 * before the end of a process are in the file; why not a library: docs/decisions/0010-log-files.md.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { describeSystemError, systemCode, toFileError } from '../file-errors.js'

const { O_APPEND, O_CREAT, O_RDWR } = constants

/** How often to look whether the file is still the one with our name: `logrotate` and people move and cut it. */
const lookEveryMs = 1000
/** Pause before a roll that failed is tried again. */
const rollAgainMs = 10_000

export interface RollingFileOptions {
  readonly path: string
  /** Absent: never rolls. */
  readonly window?: {
    /** Paths of the closed files, newest first; none: a full file is thrown away. */
    readonly files: readonly string[]
    /** A line that would make the file longer than this goes into the next one. */
    readonly maxBytes: number
  }
  /** The line that says how many lines found no room. */
  readonly describeLoss: (lines: number) => string
}

/** An open log file. */
export class RollingFile {
  readonly #options: RollingFileOptions
  #descriptor: number
  #bytes: number
  #lost = 0
  /** The file ends within a line: a full disk or a kill cut it. */
  #torn = false
  #lookAt = 0
  #rollAt = 0
  #writeTrouble: string | undefined
  #rollTrouble: string | undefined
  /** Lines that wait for {@link release}. */
  #held: string[] | undefined

  /** @throws ERR_NOT_ALLOWED, ERR_NOT_FOUND and others of `toFileError` when the file cannot be opened. */
  constructor(options: RollingFileOptions) {
    this.#options = options
    try {
      makeDirectory(dirname(options.path))
      this.#descriptor = openLogFile(options.path)
      this.#bytes = fstatSync(this.#descriptor).size
      this.#torn = endsWithinLine(this.#descriptor, this.#bytes)
    } catch (error) {
      throw toFileError(error, 'the log file cannot be opened')
    }
  }

  /** What an operator must cure, e.g. that the disk is full; undefined when all is well. */
  get trouble(): string | undefined {
    return this.#writeTrouble ?? this.#rollTrouble
  }

  /**
   * Writes a line with its newline. Never fails: a service does not stop because it cannot talk. Lines that found no
   * room are counted, and the count is the first thing written when there is room again.
   */
  write(line: string): void {
    if (this.#held) this.#held.push(line)
    else this.#write(line, 1)
  }

  /** From now on lines wait, at most until this turn of the event loop ends: a write costs more than a line. */
  hold(): void {
    this.#held ??= []
  }

  /** Writes what waited, as one. */
  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    if (held.length > 0) this.#write(held.join(''), held.length)
  }

  #write(text: string, lines: number): void {
    this.#look()
    if (this.#isFull(Buffer.byteLength(text))) this.#roll()
    try {
      this.#tellLoss()
      this.#put(text)
    } catch (error) {
      this.#lost += lines
      this.#writeTrouble = `lines are lost: ${describeSystemError(error)}`
    }
  }

  #tellLoss(): void {
    if (this.#lost === 0) return
    this.#put(this.#options.describeLoss(this.#lost))
    this.#lost = 0
    this.#writeTrouble = undefined
  }

  /** Goes on in the file that has our name now, after something else moved the old one away. */
  reopen(): void {
    const old = this.#descriptor
    try {
      this.#descriptor = openLogFile(this.#options.path)
      this.#bytes = fstatSync(this.#descriptor).size
      this.#torn = endsWithinLine(this.#descriptor, this.#bytes)
      closeSync(old)
    } catch {
      // The old file still takes lines.
    }
  }

  close(): void {
    if (this.#descriptor < 0) return
    try {
      this.#look()
      this.#tellLoss()
    } catch {
      // Still no room.
    }
    closeSync(this.#descriptor)
    this.#descriptor = -1
  }

  #isFull(length: number): boolean {
    const { window } = this.#options
    if (!window || this.#bytes === 0 || this.#bytes + length <= window.maxBytes) return false
    if (performance.now() < this.#rollAt) return false
    // It may have been cut since the last look: only what is there now counts.
    this.#lookAt = 0
    this.#look()
    return this.#bytes > 0 && this.#bytes + length > window.maxBytes
  }

  /** Takes notice of a file that was moved, removed or cut by others. */
  #look(): void {
    const now = performance.now()
    if (now < this.#lookAt || this.#descriptor < 0) return
    this.#lookAt = now + lookEveryMs
    try {
      const own = fstatSync(this.#descriptor)
      const named = statSync(this.#options.path, { throwIfNoEntry: false })
      if (named?.ino !== own.ino || named.dev !== own.dev) this.reopen()
      else this.#bytes = own.size
    } catch {
      // A directory that may not be entered any more: the open file still takes lines.
    }
  }

  #put(text: string): void {
    const bytes = Buffer.from(this.#torn ? `\n${text}` : text)
    let offset = 0
    try {
      while (offset < bytes.length) offset += writeSync(this.#descriptor, bytes, offset)
      this.#torn = false
    } catch (error) {
      this.#torn ||= offset > 0
      throw error
    } finally {
      this.#bytes += offset
    }
  }

  #roll(): void {
    const { path, window } = this.#options
    const files = window?.files ?? []
    try {
      const [newest] = files
      const oldest = files.at(-1)
      if (oldest !== undefined) rmSync(oldest, { force: true })
      for (let i = files.length - 1; i >= 1; i -= 1) renameIfThere(files[i - 1], files[i])
      if (newest === undefined) rmSync(path, { force: true })
      else renameIfThere(path, newest)
      this.#rollTrouble = undefined
    } catch (error) {
      // A directory that may not be changed: the file grows instead of the log ending.
      this.#rollAt = performance.now() + rollAgainMs
      this.#rollTrouble = `the file grows past its size: ${describeSystemError(error)}`
    }
    this.reopen()
  }
}

/** Parents too. Node's own `recursive` never returns below a directory that takes none (observed on Node 20: /proc). */
function makeDirectory(path: string): void {
  if (existsSync(path)) return
  makeDirectory(dirname(path))
  mkdirSync(path, { mode: 0o700 })
}

function openLogFile(path: string): number {
  return openSync(path, O_RDWR | O_APPEND | O_CREAT, 0o600)
}

function endsWithinLine(descriptor: number, size: number): boolean {
  const last = Buffer.alloc(1)
  return size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a
}

function renameIfThere(from: string | undefined, to: string | undefined): void {
  if (from === undefined || to === undefined) return
  try {
    renameSync(from, to)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}
