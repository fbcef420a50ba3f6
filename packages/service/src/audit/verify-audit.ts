/** Verifies an audit offline: files in their order, line by line, in constant memory. */
import { type FileHandle, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode, toFileError } from '../file-errors.js'
import { archiveOf } from './archive.js'
import type { AuditHead } from './audit.js'
import { ChainCheck } from './chain-check.js'
import { parseCheckpointKeys } from './checkpoint-keys.js'
import { currentName, listRotated, rotatedName } from './directory.js'
import { type AuditLine, type HeaderLine, parseLine } from './parse-line.js'
import { readFirstLine, readLines } from './read-lines.js'
import type { AuditReport, VerifyOptions } from './report.js'

interface LogSource {
  readonly name: string
  readonly number: number
  readonly source: string | FileHandle
  readonly header: HeaderLine | undefined
}

async function headerOf(source: string | FileHandle): Promise<HeaderLine | undefined> {
  const line = parseLine((await readFirstLine(source)) ?? '')
  return line?.type === 'rotate' ? line : undefined
}

interface ClosedFile {
  readonly number: number
  readonly path: string
}

/** The closed files that come before `current`: a service may rotate while we read, then it has two names. */
async function closedBefore(
  directory: string,
  current: FileHandle | undefined,
): Promise<ClosedFile[]> {
  const { ino } = current ? await current.stat() : { ino: -1 }
  const before: ClosedFile[] = []
  for (const number of await listRotated(directory)) {
    const path = join(directory, rotatedName(number))
    if ((await stat(path)).ino === ino) break
    before.push({ number, path })
  }
  return before
}

/** Archived files that are not here any more; none where the folder is not there. */
async function archivedFiles(
  archive: string | undefined,
  here: readonly ClosedFile[],
): Promise<ClosedFile[]> {
  if (archive === undefined) return []
  const numbers = await listRotated(archive).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  })
  return numbers
    .filter((number) => here.every((file) => file.number !== number))
    .map((number) => ({ number, path: join(archive, rotatedName(number)) }))
}

/** The files in their order, archived ones first, each with the header it begins with. `archive` wins over what the audit notes. */
export async function findSources(
  directory: string,
  current: FileHandle | undefined,
  archive?: string,
): Promise<LogSource[]> {
  const here = await closedBefore(directory, current)
  const gone = await archivedFiles(archive ?? (await archiveOf(directory)), here)
  const closed = [...gone, ...here].sort((a, b) => a.number - b.number)
  const sources: LogSource[] = []
  for (const { number, path } of closed)
    sources.push({ name: rotatedName(number), number, source: path, header: await headerOf(path) })
  if (current === undefined) return sources
  const number = (closed.at(-1)?.number ?? 0) + 1
  const header = await headerOf(current)
  // Its own header says which file it is: a gap before it is a missing file, not a wrong name.
  const own = header !== undefined && header.file > number ? header.file : number
  return [...sources, { name: currentName, number: own, source: current, header }]
}

async function checkFile(check: ChainCheck, log: LogSource, upTo: number): Promise<number> {
  let lines = 0
  for await (const raw of readLines(log.source)) {
    lines = raw.number
    const place = { file: log.name, line: raw.number }
    const line = raw.text === undefined ? undefined : parseLine(raw.text)
    if (!raw.whole) {
      if (log.name === currentName) return raw.bytes
      check.voided(place, undefined)
    } else if (raw.number === 1) checkFirst(check, place, line, log.number)
    else checkLine(check, place, line, upTo)
  }
  if (lines === 0) check.fault({ file: log.name, line: 0 }, 'is empty: its header is missing')
  return 0
}

type LinePlace = { readonly file: string; readonly line: number }

function checkFirst(
  check: ChainCheck,
  place: LinePlace,
  line: AuditLine | undefined,
  number: number,
): void {
  if (line?.type === 'rotate') check.header(place, line, number)
  else check.fault(place, 'is no header of an audit file')
  if (line?.type === 'entry') check.entry(place, line)
}

function checkLine(
  check: ChainCheck,
  place: LinePlace,
  line: AuditLine | undefined,
  upTo: number,
): void {
  if (line === undefined) check.fault(place, 'changed: no line of an audit')
  else if (line.type === 'rotate') check.fault(place, 'a header where none belongs')
  else if (line.type === 'checkpoint') check.checkpoint(place, line)
  else if (line.head.sequence > upTo) check.voided(place, line)
  else check.entry(place, line)
}

function checkNumbers(
  check: ChainCheck,
  sources: readonly LogSource[],
  archive: string | undefined,
): void {
  const hint = archive === undefined ? '' : `; archived files are looked for in ${archive}`
  let expected = 1
  for (const { name, number } of sources) {
    if (number > expected) {
      const last = number - 1
      const what = expected === last ? '' : ` to ${rotatedName(last)}`
      check.fault(
        { file: rotatedName(expected), line: 0 },
        `missing file${what}, before ${name}${hint}`,
      )
    }
    expected = number + 1
  }
}

async function checkAll(
  check: ChainCheck,
  o: Pick<VerifyOptions, 'directory' | 'archive'>,
  current: FileHandle | undefined,
): Promise<AuditReport> {
  const archive = o.archive ?? (await archiveOf(o.directory))
  const sources = await findSources(o.directory, current, archive)
  checkNumbers(check, sources, archive)
  if (current === undefined) check.fault({ file: currentName, line: 0 }, 'missing file')
  let unfinishedBytes = 0
  for (const [i, log] of sources.entries()) {
    const upTo = sources[i + 1]?.header?.head.sequence ?? Number.MAX_SAFE_INTEGER
    unfinishedBytes = await checkFile(check, log, upTo)
  }
  const report = check.finish({ file: sources.at(-1)?.name ?? currentName, line: 0 })
  return { ...report, files: sources.length, unfinishedBytes }
}

async function openCurrent(directory: string): Promise<FileHandle | undefined> {
  await stat(directory)
  return open(join(directory, currentName), 'r').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
}

function toHeads(expected: VerifyOptions['expectAtLeast']): readonly AuditHead[] {
  if (expected === undefined) return []
  return 'sequence' in expected ? [expected] : expected
}

/**
 * Verifies the whole audit; a service may be writing it meanwhile. Faults are in the report, not thrown.
 * @throws ERR_NOT_FOUND when there is no such directory; ERR_NOT_ALLOWED when it cannot be read; ERR_INVALID_INPUT for a
 * public key that is none.
 */
export async function verifyAudit(o: VerifyOptions): Promise<AuditReport> {
  const keys = o.publicKey === undefined ? undefined : parseCheckpointKeys(o.publicKey)
  const check = new ChainCheck({ keys, service: o.service, expected: toHeads(o.expectAtLeast) })
  let current: FileHandle | undefined
  try {
    current = await openCurrent(o.directory)
    return await checkAll(check, o, current)
  } catch (error) {
    throw toFileError(error, 'the audit cannot be read')
  } finally {
    await current?.close()
  }
}
