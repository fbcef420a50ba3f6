/**
 * A log file that rolls by size through a fixed window: `name.log`, `name.log.1` (the newest closed one) … `name.log.N`.
 * Writes are synchronous, so that the last words before the end of a process are in the file; why not a library:
 * docs/decisions/0010-log-files.md.
 */
import { closeSync, constants, fstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { systemCode, toFileError } from '../file-errors.js'

const { O_APPEND, O_CREAT, O_WRONLY } = constants

export interface RollingFileOptions {
  readonly path: string
  /** A line that would make the file longer than this goes into the next one. */
  readonly maxBytes: number
  /** Closed files to keep, 0 or more. */
  readonly keep: number
}

/** An open log file. */
export class RollingFile {
  readonly #options: RollingFileOptions
  #descriptor: number
  #bytes: number
  #lost = 0

  /** @throws ERR_NOT_ALLOWED, ERR_NOT_FOUND when the file cannot be opened. */
  constructor(options: RollingFileOptions) {
    this.#options = options
    try {
      this.#descriptor = openLogFile(options.path)
      this.#bytes = fstatSync(this.#descriptor).size
    } catch (error) {
      throw toFileError(error, 'the log file cannot be opened')
    }
  }

  /**
   * Writes a line with its newline. Never fails: a service does not stop because it cannot talk. Lines that found no
   * room are counted, and the count is the first thing written when there is room again.
   */
  write(line: string): void {
    const length = Buffer.byteLength(line)
    if (this.#bytes > 0 && this.#bytes + length > this.#options.maxBytes) this.#roll()
    try {
      if (this.#lost > 0) {
        this.#put(`${this.#lost} lines lost: the log could not be written\n`)
        this.#lost = 0
      }
      this.#put(line)
    } catch {
      this.#lost += 1
    }
  }

  /** Goes on in a fresh file of the same name, after something else moved the old one away. */
  reopen(): void {
    const old = this.#descriptor
    try {
      this.#descriptor = openLogFile(this.#options.path)
      this.#bytes = fstatSync(this.#descriptor).size
      closeSync(old)
    } catch {
      // The old file still takes lines.
    }
  }

  close(): void {
    if (this.#descriptor >= 0) closeSync(this.#descriptor)
    this.#descriptor = -1
  }

  #put(text: string): void {
    const bytes = Buffer.from(text)
    let offset = 0
    while (offset < bytes.length) {
      offset += writeSync(this.#descriptor, bytes, offset)
    }
    this.#bytes += bytes.length
  }

  #roll(): void {
    const { path, keep } = this.#options
    try {
      rmSync(`${path}.${keep}`, { force: true })
      for (let i = keep - 1; i >= 1; i -= 1) renameIfThere(`${path}.${i}`, `${path}.${i + 1}`)
      if (keep > 0) renameIfThere(path, `${path}.1`)
      else rmSync(path, { force: true })
    } catch {
      // A directory that may not be changed: the file grows instead of the log ending.
    }
    this.reopen()
  }
}

function openLogFile(path: string): number {
  return openSync(path, O_WRONLY | O_APPEND | O_CREAT, 0o600)
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}
