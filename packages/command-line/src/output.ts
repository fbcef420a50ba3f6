/** Results on standard output: JSON with `--json`, else the command's own `print`, else a form that fits the value. */
import { DomainError } from '@keyhsm/core'
import type { Command, Io } from './records.js'

/** Prints what a command returned; undefined prints nothing. */
export async function printValue(command: Command, value: unknown, io: Io): Promise<void> {
  if (value === undefined) return
  if (io.json) printJson(value, io)
  else if (command.print) await command.print(value as never, io)
  else printPlain(value, io)
}

/** One JSON document and a line end. */
export function printJson(value: unknown, io: Pick<Io, 'stdout'>): void {
  io.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)
}

/** One line of text. */
export function printLine(line: string, io: Pick<Io, 'stdout'>): void {
  io.stdout.write(`${line}\n`)
}

/** `name: value` lines, values in one column; undefined values are left out. */
export function printFields(record: Readonly<Record<string, unknown>>, io: Io): void {
  const fields = Object.entries(record).filter(([, value]) => value !== undefined)
  const width = Math.max(0, ...fields.map(([name]) => name.length)) + 2
  for (const [name, value] of fields) printLine(`${`${name}:`.padEnd(width)}${toCell(value)}`, io)
}

/** Rows under a heading line, columns as wide as their widest cell; an empty list prints the heading alone. */
export function printTable(
  rows: readonly Readonly<Record<string, unknown>>[],
  columns: readonly string[],
  io: Pick<Io, 'stdout'>,
): void {
  const cells = rows.map((row) => columns.map((column) => toCell(row[column])))
  const lines = [columns.map((column) => column.toUpperCase()), ...cells]
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => lengthAt(line, index))))
  for (const line of lines) {
    const padded = line.map((cell, index) => cell.padEnd(widths[index] ?? 0))
    printLine(padded.join('  ').trimEnd(), io)
  }
}

function lengthAt(line: readonly string[], index: number): number {
  return line[index]?.length ?? 0
}

function printPlain(value: unknown, io: Io): void {
  if (Array.isArray(value)) {
    const rows = value.filter((row) => typeof row === 'object' && row !== null)
    if (rows.length === value.length) printTable(rows, [...new Set(rows.flatMap(keysOf))], io)
    else for (const line of value) printLine(toCell(line), io)
  } else if (typeof value === 'object' && value !== null) {
    printFields(value as Record<string, unknown>, io)
  } else printLine(toCell(value), io)
}

function keysOf(row: object): string[] {
  return Object.keys(row)
}

/** A value as one cell. Control characters are shown escaped: names come from other people's machines. */
function toCell(value: unknown): string {
  if (value === undefined || value === null) return '-'
  return printable(typeof value === 'string' ? value : JSON.stringify(value))
}

/** `text` with control characters (terminal escapes, line ends) as `\xNN`. */
export function printable(text: string): string {
  return text.replace(
    /\p{Cc}/gu,
    (found) => `\\x${found.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

/** Faults of a stream that nobody awaits: a closed pipe (`| head`) is quiet, a full disk is not. */
export class OutputWatch {
  readonly #stream: NodeJS.WritableStream
  #fault: NodeJS.ErrnoException | undefined

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream
    // Never removed: a pipe may break after the last write was accepted.
    stream.on('error', (error: NodeJS.ErrnoException) => {
      this.#fault ??= error
    })
  }

  /** Waits until everything is written. @throws ERR_UNAVAILABLE unless the reader simply went away. */
  async flush(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#stream.write('', (error) => {
        this.#fault ??= error ?? undefined
        resolve()
      })
    })
    if (this.#fault && this.#fault.code !== 'EPIPE')
      throw new DomainError('ERR_UNAVAILABLE', 'cannot write the result to standard output', {
        cause: this.#fault,
      })
  }
}
