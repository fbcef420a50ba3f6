/**
 * Rows that nobody waits for are gathered and sent together, many in one statement: before the next statement whose answer
 * may depend on them, and before COMMIT.
 */
import type { Queries, Result, Statement, Value } from './queries.js'

/** An INSERT of one row that can be one of many. */
export interface RowInsert {
  readonly name: string
  /** The statement for `rows` rows, whose parameters follow each other row by row. */
  text(rows: number): string
}

/** Rows in one statement: few sizes, because PostgreSQL keeps each prepared. The first is the largest. */
const sizes = [32, 8, 4, 2, 1] as const

/** How many of so many rows the next statement takes. */
export function chunkSize(rows: number): number {
  return sizes.find((size) => size <= rows) ?? 1
}

export interface RowShape {
  readonly stride: number
  readonly first?: number
  readonly width?: number
  /** Of the columns; absent where the statement says them. */
  readonly types?: readonly string[]
}

/** Parameters `first` to `first + width - 1` of every row of `stride` parameters, as lists of VALUES. */
export function parameterRows(rows: number, o: RowShape): string {
  const { stride, first = 1, width = stride, types } = o
  const cast = (column: number) => (types ? `::${types[column]}` : '')
  const row = (index: number) =>
    Array.from({ length: width }, (_, at) => `$${index * stride + first + at}${cast(at)}`)
  return Array.from({ length: rows }, (_, index) => `(${row(index).join(', ')})`).join(', ')
}

export class GatheredInserts implements Queries {
  private readonly queries: Queries
  private readonly waiting = new Map<RowInsert, (readonly Value[])[]>()
  /** Of statements that nobody waits for. */
  readonly answers: Promise<unknown>[] = []

  constructor(queries: Queries) {
    this.queries = queries
  }

  add(insert: RowInsert, row: readonly Value[]): void {
    const rows = this.waiting.get(insert)
    if (rows) rows.push(row)
    else this.waiting.set(insert, [row])
  }

  run(statement: Statement, values: readonly Value[]): Promise<Result> {
    this.flush()
    return this.queries.run(statement, values)
  }

  flush(): void {
    for (const [insert, rows] of this.waiting)
      for (let sent = 0; sent < rows.length; ) sent += this.send(insert, rows.slice(sent))
    this.waiting.clear()
  }

  /** Sends as many as one statement takes, and says how many. */
  private send(insert: RowInsert, rows: readonly (readonly Value[])[]): number {
    const size = chunkSize(rows.length)
    const answer = this.queries.run(statementOf(insert, size), rows.slice(0, size).flat())
    // Thrown by who waits for the answers; until then it must not count as unhandled.
    answer.catch(() => undefined)
    this.answers.push(answer)
    return size
  }
}

const statements = new Map<string, Statement>()

function statementOf(insert: RowInsert, rows: number): Statement {
  const name = `${insert.name}_${rows}`
  const known = statements.get(name)
  if (known) return known
  const statement = { name, text: insert.text(rows) }
  statements.set(name, statement)
  return statement
}
