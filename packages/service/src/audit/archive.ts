/**
 * Closed files of an audit move to another disk. The log notes where, and verification and export follow; the newest closed file
 * stays, because the service goes on counting from it.
 */
import { createHash } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { copyFile, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { DomainError, invalidInput } from '@keyhsm/core'
import { syncDirectory, writeFileAtomically } from '../atomic-file.js'
import { systemCode, toFileError } from '../file-errors.js'
import { listRotated, rotatedName } from './directory.js'
import { idName, readLogId } from './log-id.js'

/** Notes where closed files went; content `{"directory": …}`. */
const noteName = 'audit.archive.json'

export interface ArchiveReport {
  /** Files that were moved now. */
  readonly moved: readonly string[]
  readonly bytes: number
  /** Closed files that stay beside the current one. */
  readonly kept: number
  readonly directory: string
}

export interface ArchiveOptions {
  readonly directory: string
  /** Absolute path; made if it is not there, for this user alone. */
  readonly to: string
  /** Closed files that stay, at least 1; default 1. */
  readonly keep?: number
}

/** Where closed files of the audit in `directory` were archived last; undefined when none were. */
export async function archiveOf(directory: string): Promise<string | undefined> {
  const text = await readFile(join(directory, noteName), 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const value: unknown = JSON.parse(text)
  const found = typeof value === 'object' && value !== null && 'directory' in value
  return found && typeof value.directory === 'string' ? value.directory : undefined
}

/**
 * Copies, compares and then removes each closed file but the newest. Cut off at any point nothing is lost, and it can be run again.
 * @throws ERR_INVALID_INPUT; ERR_ALREADY_EXISTS when the folder holds another log or another file of that name; ERR_CONFLICT when an
 * earlier archive lies elsewhere; ERR_UNAVAILABLE when there is no room
 */
export async function archiveAudit({
  directory,
  to,
  keep = 1,
}: ArchiveOptions): Promise<ArchiveReport> {
  if (!isAbsolute(to)) throw invalidInput('--to', 'must be an absolute path')
  if (keep < 1) throw invalidInput('--keep', 'must be at least 1')
  try {
    const closed = await listRotated(directory)
    const going = closed.slice(0, Math.max(0, closed.length - keep))
    await prepare(directory, to)
    let bytes = 0
    for (const number of going) bytes += await moveOne(rotatedName(number), directory, to)
    const kept = closed.length - going.length
    return { moved: going.map(rotatedName), bytes, kept, directory: to }
  } catch (error) {
    throw toFileError(error, 'the audit cannot be archived')
  }
}

/** The folder is this log's alone, and noted before anything leaves. */
async function prepare(directory: string, to: string): Promise<void> {
  const id = await readLogId(directory)
  if (id === undefined) throw new DomainError('ERR_NOT_FOUND', 'there is no audit to archive')
  const noted = await archiveOf(directory)
  if (noted !== undefined && noted !== to)
    throw new DomainError('ERR_CONFLICT', 'an earlier archive of this audit lies elsewhere', {
      hints: [`give --to ${noted}, or move it there first and edit ${noteName}`],
    })
  await mkdir(to, { mode: 0o700 }).catch((error: unknown) => {
    if (systemCode(error) !== 'EEXIST') throw error
  })
  const there = await readLogId(to)
  if (there !== undefined && there !== id)
    throw new DomainError('ERR_ALREADY_EXISTS', 'the folder holds the archive of another audit')
  if (there === undefined) await writeFileAtomically(join(to, idName), `${id}\n`, 0o600)
  if (noted === undefined)
    await writeFileAtomically(join(directory, noteName), `${JSON.stringify({ directory: to })}\n`)
}

async function moveOne(name: string, directory: string, to: string): Promise<number> {
  const [from, target] = [join(directory, name), join(to, name)]
  const wanted = await digest(from)
  const there = await digest(target).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
  if (there === undefined) await copy(from, target, wanted)
  else if (there !== wanted)
    throw new DomainError('ERR_ALREADY_EXISTS', `the archive has another ${name} already`)
  const { size } = await stat(from)
  await rm(from)
  await syncDirectory(directory)
  return size
}

/** Under another name first: a file of the right name is whole and on disk. */
async function copy(from: string, target: string, wanted: string): Promise<void> {
  const partial = `${target}.partial`
  await rm(partial, { force: true })
  await copyFile(from, partial, constants.COPYFILE_EXCL)
  const handle = await open(partial, 'r+')
  try {
    await handle.chmod(0o600)
    await handle.sync()
  } finally {
    await handle.close()
  }
  if ((await digest(partial)) !== wanted)
    throw new DomainError('ERR_INTEGRITY', 'the copy in the archive is not what was copied')
  await rename(partial, target)
  await syncDirectory(join(target, '..'))
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
