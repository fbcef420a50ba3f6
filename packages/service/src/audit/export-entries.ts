/** Entries of an audit for other programs: as they stand, or in lines of syslog. */
import { open } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { systemCode, toFileError } from '../file-errors.js'
import { currentName } from './directory.js'
import { parseLine } from './parse-line.js'
import { readLines } from './read-lines.js'
import { findSources } from './verify-audit.js'

export type ExportForm = 'json' | 'syslog'

export interface ExportOptions {
  readonly directory: string
  /** Folder of archived files, where it is not the one that the audit notes. */
  readonly archive?: string
  /** Entries written at this instant or later. */
  readonly since: Date
  /** Entries written before this instant. */
  readonly until?: Date
  readonly form: ExportForm
}

/** Facility `log audit`. @see RFC 5424 §6.2.1 */
const facility = 13
const severities = { warning: 4, informational: 6 } as const
/** Outcomes that somebody should look at. */
const alarming: ReadonlySet<unknown> = new Set(['integrity', 'irretrievable', 'refused'])

/**
 * One line an entry, archived files included, in the order of the log. JSON lines are the bytes of the log: their hashes can be
 * checked by whoever receives them.
 * @throws ERR_NOT_FOUND, ERR_NOT_ALLOWED when the audit cannot be read
 */
export async function* exportEntries(o: ExportOptions): AsyncGenerator<string> {
  const current = await open(join(o.directory, currentName), 'r').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw toFileError(error, 'the audit cannot be read')
  })
  try {
    const sources = await findSources(o.directory, current, o.archive)
    for (const [i, { source }] of sources.entries()) {
      const upTo = sources[i + 1]?.header?.head.sequence ?? Number.MAX_SAFE_INTEGER
      for await (const { text } of readLines(source)) {
        const line = text === undefined ? undefined : toLine(text, o, upTo)
        if (line !== undefined) yield line
      }
    }
  } catch (error) {
    throw toFileError(error, 'the audit cannot be read')
  } finally {
    await current?.close()
  }
}

function toLine(text: string, o: ExportOptions, upTo: number): string | undefined {
  const line = parseLine(text)
  if (line?.type !== 'entry' || line.head.sequence > upTo) return undefined
  const { at } = JSON.parse(text) as { readonly at: string }
  const time = Date.parse(at)
  if (time < o.since.getTime() || (o.until && time >= o.until.getTime())) return undefined
  return o.form === 'json' ? text : toSyslog(text, line, at)
}

/** The message is the entry's JSON, ASCII and UTF-8 as it stands. @see RFC 5424 §6 */
function toSyslog(
  text: string,
  line: { readonly service: string; readonly operation: string; readonly outcome?: string },
  at: string,
): string {
  const severity = alarming.has(line.outcome) ? severities.warning : severities.informational
  const name = (value: string, most: number) =>
    value.replaceAll(/[^\x21-\x7e]/g, '_').slice(0, most) || '-'
  const head = `<${facility * 8 + severity}>1 ${at} ${name(hostname(), 255)}`
  return `${head} ${name(line.service, 48)} - ${name(line.operation, 32)} - ${text}`
}
