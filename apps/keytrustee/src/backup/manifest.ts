/** What a backup says of itself: at its beginning what it is of, at its end what it holds. */
import { parseFingerprint } from '@keyhsm/core'
import type { AuditHead } from '@keyhsm/service'
import type { ScopeCount } from '../store/postgres/dump-database.js'
import { damagedBackup, type PartHeader } from './frames.js'

/** First part. Everything that a reader must know before the first row. */
export interface Manifest {
  readonly madeAt: Date
  /** Release that made it. */
  readonly version: string
  /** Version of the database's schema. */
  readonly schema: number
  /** How many servers have written to the database: each has an audit of its own. */
  readonly servers: number
  /** The server's folder: what files name by their full path lies elsewhere on another host. */
  readonly folder: string
  /** Of the server certificate: which installation this is. */
  readonly serverFingerprint: string
  /** Last entry of the server's audit before the snapshot: what a restore replays comes after it. */
  readonly auditHead: AuditHead
  /** As it was joined; absent for a server that was not. */
  readonly join:
    | { readonly realm: string; readonly canary: string; readonly domain: string }
    | undefined
}

export interface TableTotal {
  readonly name: string
  readonly rows: number
  /** Of the bytes of COPY. */
  readonly sha256: string
}

/** Last part. */
export interface Totals {
  readonly tables: readonly TableTotal[]
  readonly files: number
  readonly scopes: readonly ScopeCount[]
}

type Fields = Readonly<Record<string, unknown>>

export function formatManifest({ madeAt, ...manifest }: Manifest): PartHeader {
  return { part: 'manifest', name: 'backup', madeAt: madeAt.toISOString(), ...manifest }
}

/** @throws ERR_INTEGRITY */
export function parseManifest(header: PartHeader): Manifest {
  return checked('the manifest', () => {
    const head = fieldsOf(header['auditHead'])
    const join = header['join'] === undefined ? undefined : fieldsOf(header['join'])
    return {
      madeAt: instantOf(header['madeAt']),
      version: textOf(header['version']),
      schema: countOf(header['schema']),
      servers: header['servers'] === undefined ? 1 : countOf(header['servers']),
      folder: textOf(header['folder']),
      serverFingerprint: parseFingerprint(textOf(header['serverFingerprint']), 'serverFingerprint'),
      auditHead: { sequence: countOf(head['sequence']), hash: textOf(head['hash']) },
      join: join && {
        realm: textOf(join['realm']),
        canary: parseFingerprint(textOf(join['canary']), 'canary'),
        domain: textOf(join['domain']),
      },
    }
  })
}

export function formatTotals(totals: Totals): PartHeader {
  return { part: 'totals', name: 'backup', ...totals }
}

/** @throws ERR_INTEGRITY */
export function parseTotals(header: PartHeader): Totals {
  return checked('its totals', () => ({
    files: countOf(header['files']),
    tables: listOf(header['tables']).map((table) => ({
      name: textOf(table['name']),
      rows: countOf(table['rows']),
      sha256: parseFingerprint(textOf(table['sha256']), 'sha256'),
    })),
    scopes: listOf(header['scopes']).map((scope) => ({
      organisation: textOf(scope['organisation']),
      scope: textOf(scope['scope']),
      revisions: countOf(scope['revisions']),
      hsmKeys: countOf(scope['hsmKeys']),
    })),
  }))
}

function checked<Value>(what: string, parse: () => Value): Value {
  try {
    return parse()
  } catch {
    throw damagedBackup(`${what} cannot be read`)
  }
}

function fieldsOf(value: unknown): Fields {
  if (typeof value === 'object' && value !== null) return { ...value }
  throw new TypeError('not a record')
}

function listOf(value: unknown): readonly Fields[] {
  if (Array.isArray(value)) return value.map(fieldsOf)
  throw new TypeError('not a list')
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  throw new TypeError('not a text')
}

function countOf(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new TypeError('not a count')
}

function instantOf(value: unknown): Date {
  const instant = new Date(textOf(value))
  if (Number.isNaN(instant.getTime())) throw new TypeError('not an instant')
  return instant
}
