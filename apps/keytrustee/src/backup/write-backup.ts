/**
 * The story of a backup: manifest, files, tables of one snapshot, keys, totals → compressed → encrypted → a file that gets
 * its name when it is whole, on disk and read again. In clear it is nowhere but in memory, a piece at a time.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { encryptStream } from '@keyhsm/client'
import { DomainError } from '@keyhsm/core'
import { syncDirectory, toFileError } from '@keyhsm/service'
import type { PostgresAddress } from '../store/postgres/address.js'
import { type Snapshot, withSnapshot } from '../store/postgres/dump-database.js'
import type { ConfigurationFile } from './configuration-files.js'
import { type Bytes, formatFrames, type Part, watched } from './frames.js'
import {
  formatManifest,
  formatTotals,
  type Manifest,
  type TableTotal,
  type Totals,
} from './manifest.js'

export interface BackupOrder {
  readonly address: PostgresAddress
  readonly files: readonly ConfigurationFile[]
  readonly manifest: Omit<Manifest, 'schema' | 'servers'>
  /** age recipients. */
  readonly recipients: readonly string[]
  readonly directory: string
  readonly signal: AbortSignal
  /** Told of rows as they go by. */
  readonly onRows?: (rows: number, estimated: number) => void
}

export interface WrittenBackup {
  readonly file: string
  readonly bytes: number
  /** Of the file as it is on disk: what the audit keeps, and a restore can ask for. */
  readonly sha256: string
  readonly manifest: Manifest
  readonly totals: Totals
}

/** `keytrustee-20261122T101500Z.ktbackup` */
export function backupName(madeAt: Date): string {
  return `keytrustee-${madeAt.toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '')}.ktbackup`
}

export const backupPattern = /^keytrustee-\d{8}T\d{6}Z\.ktbackup$/

/**
 * @throws ERR_ALREADY_EXISTS when a backup of this second is there; ERR_UNAVAILABLE (disk full, interrupted);
 * ERR_STORE_UNAVAILABLE; ERR_INTEGRITY when the file read again is not what was written. No file is left then.
 */
export async function writeBackup(o: BackupOrder): Promise<WrittenBackup> {
  await mkdir(o.directory, { recursive: true, mode: 0o700 })
  const file = join(o.directory, backupName(o.manifest.madeAt))
  const partial = `${file}.partial`
  try {
    o.signal.throwIfAborted()
    const written = await withSnapshot(o.address, (snapshot) => writeSnapshot(o, snapshot, partial))
    await requireSame(partial, written.sha256)
    await publish(partial, file)
    return { file, ...written }
  } catch (error) {
    if (o.signal.aborted) throw interrupted()
    throw toFileError(error, 'the backup cannot be written')
  } finally {
    await rm(partial, { force: true })
  }
}

export function interrupted(): DomainError {
  return new DomainError('ERR_UNAVAILABLE', 'interrupted: nothing is left behind')
}

async function writeSnapshot(
  o: BackupOrder,
  snapshot: Snapshot,
  partial: string,
): Promise<Omit<WrittenBackup, 'file'>> {
  const manifest = {
    ...o.manifest,
    schema: snapshot.schema,
    servers: Math.max(1, snapshot.servers),
  }
  const content = new BackupContent(o, manifest, snapshot)
  const zipped = createGzip({ level: 1 })
  // An error before anybody reads would otherwise end the process; `compressing` has it.
  zipped.on('error', () => undefined)
  const source = Readable.from(formatFrames(content.parts()))
  source.on('error', () => undefined)
  const compressing = pipeline(source, zipped, { signal: o.signal })
  // Heard below, together with what it makes the writer fail with.
  compressing.catch(() => undefined)
  const hash = createHash('sha256')
  let bytes = 0
  const sealed = await encryptStream(zipped, { recipients: o.recipients })
  const counted = watched(sealed, (piece) => {
    hash.update(piece)
    bytes += piece.length
  })
  const writing = writeDurably(partial, counted)
  // What went wrong at the source is the reason, not what it did to the stream behind it.
  await compressing.catch(async (error: unknown) => {
    await writing.catch(() => undefined)
    throw error
  })
  await writing
  return { bytes, sha256: hash.digest('hex'), manifest, totals: content.totals() }
}

class BackupContent {
  readonly #o: BackupOrder
  readonly #manifest: Manifest
  readonly #snapshot: Snapshot
  readonly #tables: TableTotal[] = []
  #scopes: Totals['scopes'] = []

  constructor(o: BackupOrder, manifest: Manifest, snapshot: Snapshot) {
    this.#o = o
    this.#manifest = manifest
    this.#snapshot = snapshot
  }

  async *parts(): AsyncGenerator<Part> {
    yield { header: formatManifest(this.#manifest), data: nothing() }
    for (const { content, ...header } of this.#o.files)
      yield { header: { part: 'file', ...header }, data: bytesOf(content) }
    for await (const table of this.#snapshot.tables()) {
      const { name, columns } = table
      yield { header: { part: 'table', name, columns }, data: this.#rowsOf(name, table.rows) }
    }
    yield { header: { part: 'hsm-keys', name: 'hsm-keys' }, data: this.#snapshot.hsmKeys() }
    this.#scopes = await this.#snapshot.scopes()
    yield { header: formatTotals(this.totals()), data: nothing() }
  }

  totals(): Totals {
    return { tables: this.#tables, files: this.#o.files.length, scopes: this.#scopes }
  }

  async *#rowsOf(name: string, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const hash = createHash('sha256')
    let rows = 0
    const before = this.#tables.reduce((sum, table) => sum + table.rows, 0)
    for await (const piece of bytes) {
      hash.update(piece)
      rows += countLines(piece)
      this.#o.onRows?.(before + rows, this.#snapshot.estimatedRows)
      yield piece
    }
    this.#tables.push({ name, rows, sha256: hash.digest('hex') })
  }
}

/** In the text form of COPY a newline ends a row; one in a value is written `\n`. @see PostgreSQL 15 manual, COPY */
export function countLines(bytes: Uint8Array): number {
  let lines = 0
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) lines += 1
  return lines
}

async function* nothing(): Bytes {}

async function* bytesOf(content: Buffer): Bytes {
  yield content
}

async function writeDurably(path: string, bytes: Bytes): Promise<void> {
  const handle = await open(path, 'wx', 0o600)
  try {
    for await (const piece of bytes) await handle.writeFile(piece)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Read from the disk once more. @throws ERR_INTEGRITY */
async function requireSame(path: string, sha256: string): Promise<void> {
  if ((await hashFile(path)) !== sha256)
    throw new DomainError('ERR_INTEGRITY', 'the backup on disk is not what was written', {
      hints: ['look at the disk; nothing was kept'],
    })
}

/** SHA-256 of a file, 64 hex digits. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer)
  return hash.digest('hex')
}

async function publish(partial: string, file: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600)
  await handle.close()
  await rename(partial, file)
  await syncDirectory(join(file, '..'))
}
