/** A service's numbers as a table: how a row looks, and what a program does with each. */

export interface MeterSpec {
  /** `gauge`: asked for when metrics are read. A histogram is of seconds. */
  readonly kind: 'counter' | 'histogram' | 'gauge'
  /** Without the service's prefix. */
  readonly name: string
  readonly help: string
  /** Few values each: never what a caller sends. */
  readonly labels?: readonly string[]
}

export type MeterTable = Readonly<Record<string, MeterSpec>>

export type Labels = Readonly<Record<string, string>>

export interface Counting {
  add(labels: Labels): void
}

export interface Timing {
  observe(labels: Labels, seconds: number): void
}

/** A value, several with their labels, or undefined when it is not known. */
export type Reading =
  | number
  | undefined
  | readonly { readonly labels: Labels; readonly value: number }[]

export interface Reads {
  /** Says how the value is read; one that throws leaves the number at its last value. */
  from(read: () => Reading | Promise<Reading>): void
}

/** What a program does with each row of its table. */
export type Meters<Table extends MeterTable> = {
  readonly [Name in keyof Table]: Table[Name]['kind'] extends 'counter'
    ? Counting
    : Table[Name]['kind'] extends 'histogram'
      ? Timing
      : Reads
}

/** Keeps the literal kinds of a table. */
export function meterTable<const Table extends MeterTable>(table: Table): Table {
  return table
}

/** How late the event loop ran its timers since the last reading, in milliseconds. */
export interface EventLoopDelay {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface Metrics {
  /** Counts one answered request; `route` is the route's template (never a caller's path: labels must stay few). */
  observeRequest(route: string, status: number, seconds: number): void
  /** Registers the rows of a table, each name once. */
  meters<Table extends MeterTable>(table: Table): Meters<Table>
  /** Since start or {@link resetEventLoopDelay}. */
  eventLoopDelay(): EventLoopDelay
  resetEventLoopDelay(): void
  /** Prometheus text. */
  text(): Promise<string>
  /** Media type of {@link text}. */
  readonly contentType: string
  /** Stops measuring. */
  close(): void
}
