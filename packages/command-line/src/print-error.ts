/** Errors as an operator sees them: one line and its hints, or one JSON object; never a stack trace unless asked for. */
import { inspect } from 'node:util'
import { type DomainError, errorTraits, toDomainError } from '@keyhsm/core'
import { printable } from './output.js'
import type { Io } from './records.js'

/** What `--json` prints on standard error. */
export interface ErrorDocument {
  readonly code: string
  readonly detail: string
  readonly faults?: readonly { field: string; rule: string; line?: number }[]
  readonly hints?: readonly string[]
  readonly retryAfterMs?: number
}

/** Prints any thrown value and returns the exit status of its code. */
export function printError(thrown: unknown, io: Io): number {
  const error = toDomainError(thrown)
  if (io.json) io.stderr.write(`${JSON.stringify(toDocument(error))}\n`)
  else printWords(error, io)
  if (io.env['KEYHSM_DEBUG']) io.stderr.write(`${inspect(error.cause ?? error)}\n`)
  return errorTraits[error.code].exit
}

function toDocument(error: DomainError): ErrorDocument {
  return {
    code: error.code,
    detail: error.message,
    ...(error.faults.length > 0 ? { faults: error.faults } : {}),
    ...(error.hints.length > 0 ? { hints: error.hints } : {}),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  }
}

function printWords(error: DomainError, io: Io): void {
  for (const line of error.message.split('\n')) io.words(printable(line))
  const untold = error.faults.filter((fault) => !error.message.includes(fault.rule))
  for (const { field, rule, line } of untold)
    io.words(printable(`${line === undefined ? '' : `line ${line}: `}${field} ${rule}`))
  for (const hint of error.hints) io.hint(printable(hint))
  if (error.retryAfterMs !== undefined)
    io.hint(`try again in ${Math.ceil(error.retryAfterMs / 1000)} s`)
  if (error.code === 'ERR_INTERNAL' && !io.env['KEYHSM_DEBUG'])
    io.hint('set KEYHSM_DEBUG=1 to see where this comes from')
}
