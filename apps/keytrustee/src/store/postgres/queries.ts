/** How the table files speak to PostgreSQL: named statements in, checked columns out. No SQL is put together at run time. */
import { DomainError, type Fingerprint, type Uuid } from '@keyhsm/core'

/** A statement that each connection prepares once, under its name. */
export interface Statement {
  /** Unique in this folder: PostgreSQL keeps one text a name. */
  readonly name: string
  readonly text: string
}

export type Value =
  | string
  | number
  | boolean
  | Date
  | Buffer
  | null
  | readonly string[]
  | readonly number[]

export interface Result {
  readonly rows: readonly Columns[]
  /** Rows returned or changed. */
  readonly rowCount: number
}

/** A connection in a transaction, or the pool outside of one. Errors are DomainErrors already. */
export interface Queries {
  run(statement: Statement, values: readonly Value[]): Promise<Result>
}

/** One row as the driver gave it; each reader checks the type of its column, so that nothing below sees raw values. */
export class Columns {
  private readonly row: Readonly<Record<string, unknown>>
  private readonly prefix: string

  constructor(row: Readonly<Record<string, unknown>>, prefix = '') {
    this.row = row
    this.prefix = prefix
  }

  /** The columns of a joined table, whose names begin with `prefix` here. */
  of(prefix: string): Columns {
    return new Columns(this.row, prefix)
  }

  private value(name: string): unknown {
    return this.row[this.prefix + name]
  }

  text(name: string): string {
    const value = this.value(name)
    return typeof value === 'string' ? value : unexpected(name)
  }

  optionalText(name: string): string | undefined {
    return this.value(name) === null ? undefined : this.text(name)
  }

  uuid(name: string): Uuid {
    return this.text(name) as Uuid
  }

  fingerprint(name: string): Fingerprint {
    return this.text(name) as Fingerprint
  }

  integer(name: string): number {
    const value = this.value(name)
    return Number.isSafeInteger(value) ? (value as number) : unexpected(name)
  }

  /** bigint and numeric, which the driver gives as text. */
  count(name: string): number {
    const value = Number(this.text(name))
    return Number.isSafeInteger(value) ? value : unexpected(name)
  }

  instant(name: string): Date {
    const value = this.value(name)
    return value instanceof Date ? value : unexpected(name)
  }

  optionalInstant(name: string): Date | undefined {
    return this.value(name) === null ? undefined : this.instant(name)
  }

  flag(name: string): boolean {
    const value = this.value(name)
    return typeof value === 'boolean' ? value : unexpected(name)
  }

  optionalInteger(name: string): number | undefined {
    return this.value(name) === null ? undefined : this.integer(name)
  }

  bytes(name: string): Buffer {
    const value = this.value(name)
    return Buffer.isBuffer(value) ? value : unexpected(name)
  }

  texts(name: string): readonly string[] {
    const value = this.value(name)
    return Array.isArray(value) ? value.map(String) : unexpected(name)
  }

  uuids(name: string): readonly Uuid[] {
    return this.texts(name) as readonly Uuid[]
  }

  /** A word of a closed set, which the table checks too. */
  word<Word extends string>(name: string, words: readonly Word[]): Word {
    const value = this.text(name)
    return words.find((word) => word === value) ?? unexpected(name)
  }

  optionalWord<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    return this.value(name) === null ? undefined : this.word(name, words)
  }
}

function unexpected(name: string): never {
  throw new DomainError('ERR_INTERNAL', 'internal error', {
    cause: new Error(`column ${name} holds an unexpected value`),
  })
}

/** Waits for a statement whose effect is all that matters. */
export async function change(
  queries: Queries,
  statement: Statement,
  values: readonly Value[],
): Promise<number> {
  return (await queries.run(statement, values)).rowCount
}

/** The first row as a record, or undefined. */
export async function findOne<Row>(
  queries: Queries,
  statement: Statement,
  values: readonly Value[],
  toRow: (columns: Columns) => Row,
): Promise<Row | undefined> {
  const [columns] = (await queries.run(statement, values)).rows
  return columns && toRow(columns)
}

/** Every row as a record. */
export async function findAll<Row>(
  queries: Queries,
  statement: Statement,
  values: readonly Value[],
  toRow: (columns: Columns) => Row,
): Promise<readonly Row[]> {
  return (await queries.run(statement, values)).rows.map(toRow)
}
