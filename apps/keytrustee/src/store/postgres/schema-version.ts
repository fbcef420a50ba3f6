/** Which version of the schema a database has, and which of them this code runs on. */
import { DomainError } from '@keyhsm/core'
import type pg from 'pg'
import type { PostgresAddress } from './address.js'
import { type Migration, migrations, previousSchema } from './migrations/index.js'
import { withOwner } from './owner-connection.js'

export interface InstalledSchema {
  /** 0: none. */
  readonly version: number
  /** The release that brought it there, as far as that was noted. */
  readonly program?: string
}

/** The last of `known`. */
export function newest(known: readonly Migration[] = migrations): number {
  return Math.max(0, ...known.map(({ version }) => version))
}

export async function readInstalled(client: pg.Client): Promise<InstalledSchema> {
  const { rows } = await client.query<{ table: string | null }>(
    `select to_regclass('keytrustee.schema_migrations')::text as table`,
  )
  if (!rows[0]?.table) return { version: 0 }
  // By way of JSON: the column came later than the table.
  const found = await client.query<{ version: number; program: string | null }>(
    `select version, to_jsonb(m) ->> 'program' as program
       from keytrustee.schema_migrations m order by version desc limit 1`,
  )
  const { version = 0, program } = found.rows[0] ?? {}
  return { version, ...(program ? { program } : {}) }
}

/** A program older than its database: it could neither read nor keep what it does not know. @throws ERR_SETTINGS */
export function refuseNewer(installed: InstalledSchema, known = newest()): void {
  const { version, program } = installed
  if (version <= known) return
  throw new DomainError(
    'ERR_SETTINGS',
    `the schema of the database is newer (version ${version}) than this program (${known})`,
    {
      hints: [
        program === undefined
          ? 'run the newer release of this program'
          : `run release ${program} of this program, or a newer one`,
        'a schema does not go back: to leave that release, restore a backup made before the upgrade into another database',
      ],
    },
  )
}

/**
 * Refuses a database whose schema is missing, newer than this code's, or older than that of the release before.
 * @returns the version there, of which the newest may still be missing
 * @throws ERR_SETTINGS
 */
export async function checkSchema(address: PostgresAddress): Promise<number> {
  return withOwner(address, async (client) => {
    const installed = await readInstalled(client)
    refuseNewer(installed)
    refuseOlder(installed.version)
    return installed.version
  })
}

export function refuseOlder(version: number): void {
  if (version >= previousSchema) return
  throw new DomainError(
    'ERR_SETTINGS',
    `the schema of the database is at version ${version}, this program needs ${newest()}`,
    { hints: ['bring it up to date as the role that owns it: ktadmin db migrate'] },
  )
}
