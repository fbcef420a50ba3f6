/** Reads a backup from its first byte to its last, and believes it only when its totals agree with what was read. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { createGunzip } from 'node:zlib'
import { type AgeKey, decryptStream } from '@keyhsm/client'
import { DomainError } from '@keyhsm/core'
import { systemCode, toFileError } from '@keyhsm/service'
import { checkFileName, type ConfigurationFile } from './configuration-files.js'
import { type Bytes, collect, damagedBackup, type Part, parseFrames, watched } from './frames.js'
import {
  type Manifest,
  parseManifest,
  parseTotals,
  type TableTotal,
  type Totals,
} from './manifest.js'
import { countLines } from './write-backup.js'

/** What is done with the parts; each is called in the order of the file. A part without a visitor is read and checked alone. */
export interface BackupVisitor {
  manifest?(manifest: Manifest): Promise<void>
  file?(file: ConfigurationFile): Promise<void>
  /** `rows` must be read to their end. @returns how many rows were taken. */
  table?(name: string, columns: readonly string[], rows: Bytes): Promise<number>
}

export interface ReadBackup {
  readonly manifest: Manifest
  readonly totals: Totals
}

const maxFileBytes = 16 * 1024 * 1024

/**
 * @throws ERR_NOT_FOUND, ERR_NOT_ALLOWED when the file cannot be read; ERR_INVALID_INPUT when it is no age file;
 * ERR_NOT_ALLOWED when the identity does not open it; ERR_INTEGRITY when it is damaged, cut, or does not hold what it says;
 * what the visitor throws.
 */
export async function readBackup(
  path: string,
  key: AgeKey,
  visitor: BackupVisitor = {},
): Promise<ReadBackup> {
  const reading = new Reading(visitor)
  for await (const part of readParts(path, key)) await reading.take(part)
  return reading.finish()
}

/** Only what the backup says of itself at its beginning: read, but not proved to be whole. @throws as {@link readBackup} */
export async function readManifest(path: string, key: AgeKey): Promise<Manifest> {
  for await (const { header } of readParts(path, key)) return parseManifest(header)
  throw damagedBackup('it is empty')
}

async function* readParts(path: string, key: AgeKey): AsyncGenerator<Part> {
  const plain = await decryptStream(readFrom(path), key)
  const unzipped = createGunzip()
  plain.on('error', (error) => unzipped.destroy(error))
  plain.pipe(unzipped)
  try {
    yield* parseFrames(translated(unzipped))
  } finally {
    plain.destroy()
    unzipped.destroy()
  }
}

async function* readFrom(path: string): Bytes {
  try {
    yield* createReadStream(path) as Bytes
  } catch (error) {
    throw toFileError(error, 'the backup cannot be read')
  }
}

async function* translated(unzipped: Readable): Bytes {
  try {
    yield* unzipped as Bytes
  } catch (error) {
    // zlib's codes: Z_DATA_ERROR, Z_BUF_ERROR for one that is cut.
    if (systemCode(error)?.startsWith('Z_')) throw damagedBackup('it cannot be unpacked')
    throw error
  }
}

class Reading {
  readonly #visitor: BackupVisitor
  readonly #tables: TableTotal[] = []
  #manifest: Manifest | undefined
  #totals: Totals | undefined
  #files = 0

  constructor(visitor: BackupVisitor) {
    this.#visitor = visitor
  }

  async take(part: Part): Promise<void> {
    const { part: kind } = part.header
    if (this.#totals) throw damagedBackup('something follows its end')
    if ((kind === 'manifest') !== (this.#manifest === undefined))
      throw damagedBackup('its manifest is not where it belongs')
    if (kind === 'manifest') await this.#takeManifest(part)
    else if (kind === 'file') await this.#takeFile(part)
    else if (kind === 'table') await this.#takeTable(part)
    else if (kind === 'totals') this.#totals = parseTotals(part.header)
    else if (kind !== 'hsm-keys') throw damagedBackup('it holds a part that is not known')
  }

  finish(): ReadBackup {
    const manifest = this.#manifest
    const totals = this.#totals
    if (!manifest || !totals) throw damagedBackup('its end is missing')
    if (!isDeepStrictEqual(this.#tables, totals.tables) || this.#files !== totals.files)
      throw damagedBackup('it does not hold what its totals say')
    return { manifest, totals }
  }

  async #takeManifest({ header }: Part): Promise<void> {
    this.#manifest = parseManifest(header)
    await this.#visitor.manifest?.(this.#manifest)
  }

  async #takeFile({ header, data }: Part): Promise<void> {
    const { name, mode, setting } = header
    if (typeof mode !== 'number') throw damagedBackup('a file has no mode')
    const content = await collect(data, maxFileBytes)
    this.#files += 1
    await this.#visitor.file?.({
      name: checkFileName(name),
      mode,
      ...(typeof setting === 'string' ? { setting } : {}),
      content,
    })
  }

  async #takeTable({ header, data }: Part): Promise<void> {
    const { name, columns } = header
    const list = Array.isArray(columns) ? columns.map(String) : []
    if (list.length === 0) throw damagedBackup('a table has no columns')
    const hash = createHash('sha256')
    let rows = 0
    const counted = watched(data, (bytes) => {
      hash.update(bytes)
      rows += countLines(bytes)
    })
    const taken = await (this.#visitor.table?.(name, list, counted) ?? drain(counted))
    if (this.#visitor.table && taken !== rows)
      throw new DomainError(
        'ERR_INTEGRITY',
        `the database took ${taken} of ${rows} rows of ${name}`,
      )
    this.#tables.push({ name, rows, sha256: hash.digest('hex') })
  }
}

async function drain(bytes: Bytes): Promise<number> {
  for await (const _ of bytes);
  return 0
}
