/** The entries of an audit in their order, for who has verified it before. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode, toFileError } from '../file-errors.js'
import { currentName } from './directory.js'
import { type EntryLine, parseLine } from './parse-line.js'
import { readLines } from './read-lines.js'
import { findSources } from './verify-audit.js'

/**
 * Entries after `sequence`, without those that a failed write left behind.
 * @throws ERR_NOT_FOUND, ERR_NOT_ALLOWED when the audit cannot be read.
 */
export async function* readAuditEntries(
  directory: string,
  sequence: number,
): AsyncGenerator<EntryLine> {
  const current = await open(join(directory, currentName), 'r').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw toFileError(error, 'the audit cannot be read')
  })
  try {
    const sources = await findSources(directory, current)
    for (const [i, { source }] of sources.entries()) {
      const upTo = sources[i + 1]?.header?.head.sequence ?? Number.MAX_SAFE_INTEGER
      for await (const { text } of readLines(source)) {
        const line = parseEntry(text)
        if (line && line.head.sequence > sequence && line.head.sequence <= upTo) yield line
      }
    }
  } finally {
    await current?.close()
  }
}

function parseEntry(text: string | undefined): EntryLine | undefined {
  const line = text === undefined ? undefined : parseLine(text)
  return line?.type === 'entry' ? line : undefined
}
