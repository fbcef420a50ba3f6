/**
 * One open file of the audit: bytes go in at the end and are on disk when `append` resolves. After a failure the file
 * must be abandoned: what a second sync answers says nothing about the pages the first one lost.
 */
import { close, constants, fstat, ftruncate, open as openFile, write } from 'node:fs'
import { link, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { syncDirectory } from '../atomic-file.js'
import { systemCode } from '../file-errors.js'
import { currentName, nextName, rotatedName } from './directory.js'

const { O_APPEND, O_CREAT, O_DSYNC, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants
const closeFile = promisify(close)
const truncateFile = promisify(ftruncate)
const openDescriptor = promisify(openFile)
const statFile = promisify(fstat)

/** The call that reaches the disk; tests put a failing one in its place. */
export interface Disk {
  /** Bytes that are on disk, which may be fewer than asked. */
  write(descriptor: number, bytes: Buffer, offset: number): Promise<number>
}

export const realDisk: Disk = {
  write: (descriptor, bytes, offset) =>
    new Promise((resolve, reject) => {
      write(descriptor, bytes, offset, bytes.length - offset, null, (error, written) => {
        if (error) reject(error)
        else resolve(written)
      })
    }),
}

/** An open file; one call of `append` at a time. */
export class LogFile {
  /** Number this file gets when it is closed. */
  readonly number: number
  readonly #descriptor: number
  readonly #disk: Disk
  #durableBytes: number
  #hasLines = true

  private constructor(number: number, descriptor: number, disk: Disk, bytes: number) {
    this.number = number
    this.#descriptor = descriptor
    this.#disk = disk
    this.#durableBytes = bytes
  }

  /** With O_DSYNC a write ends when fdatasync would: one trip to another thread for a group instead of two. */
  static async open(path: string, number: number, disk: Disk): Promise<LogFile> {
    const descriptor = await openDescriptor(path, O_WRONLY | O_APPEND | O_DSYNC | O_NOFOLLOW)
    return new LogFile(number, descriptor, disk, (await statFile(descriptor)).size)
  }

  /** Bytes known to be on disk. */
  get durableBytes(): number {
    return this.#durableBytes
  }

  /** False while nothing but the header is in it. */
  get hasLines(): boolean {
    return this.#hasLines
  }

  /** A file that {@link beginFile} made. */
  static async openNew(path: string, number: number, disk: Disk): Promise<LogFile> {
    const file = await LogFile.open(path, number, disk)
    file.#hasLines = false
    return file
  }

  async append(bytes: Buffer): Promise<void> {
    let offset = 0
    while (offset < bytes.length) {
      offset += await this.#disk.write(this.#descriptor, bytes, offset)
    }
    this.#durableBytes += bytes.length
    this.#hasLines = true
  }

  close(): Promise<void> {
    return closeFile(this.#descriptor)
  }

  /**
   * Closes without syncing and takes off what was never acknowledged, as well as can be: where this fails too, the
   * header of the next file says where the chain goes on.
   */
  async abandon(): Promise<void> {
    await truncateFile(this.#descriptor, this.#durableBytes).catch(() => undefined)
    await closeFile(this.#descriptor).catch(() => undefined)
  }
}

async function writeNext(path: string, header: string): Promise<void> {
  await rm(path, { force: true })
  const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    await handle.writeFile(header)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Repeating it is harmless; there may be no current file, or one that was kept before a crash. */
async function keepUnderNumber(current: string, numbered: string): Promise<void> {
  try {
    await link(current, numbered)
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT') return
    const same = code === 'EEXIST' && (await stat(numbered)).ino === (await stat(current)).ino
    if (!same) throw error
  }
}

export interface NewFile {
  readonly directory: string
  /**
   * Number of the new file. The current one is kept under the number before; with `replaces` it is not kept, because it
   * holds nothing but a header.
   */
  readonly number: number
  readonly replaces?: boolean
  readonly header: string
  readonly disk: Disk
}

/**
 * Begins a file: its header is on disk before it becomes `audit.log`, and the directory is synced before a line is
 * acknowledged in it. The old `audit.log` gets its number by link(2), which never overwrites: at each moment of a
 * crash all lines are under some name.
 */
export async function beginFile(o: NewFile): Promise<LogFile> {
  const [current, next] = [join(o.directory, currentName), join(o.directory, nextName)]
  try {
    await writeNext(next, o.header)
    if (!o.replaces) await keepUnderNumber(current, join(o.directory, rotatedName(o.number - 1)))
    await rename(next, current)
    await syncDirectory(o.directory)
  } catch (error) {
    await rm(next, { force: true }).catch(() => undefined)
    throw error
  }
  return LogFile.openNew(current, o.number, o.disk)
}
