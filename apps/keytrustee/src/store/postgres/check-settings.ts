/** Refuses a server that would lose commits it acknowledged. Read outside of our own session settings. */
import { DomainError, type FieldFault } from '@keyhsm/core'
import pg from 'pg'
import type { PostgresAddress } from './address.js'
import { plainConfig, type SessionSettings, type Timeouts } from './pool.js'
import { translate } from './sqlstate.js'

interface Requirement {
  readonly setting: string
  readonly refuses: string
  readonly because: string
  /** Only of a cluster that this product made. */
  readonly privateOnly?: true
}

const requirements: readonly Requirement[] = [
  { setting: 'fsync', refuses: 'off', because: 'a crash of the machine loses deposits' },
  {
    setting: 'full_page_writes',
    refuses: 'off',
    because: 'a crash can tear pages of the database',
  },
  {
    setting: 'synchronous_commit',
    refuses: 'off',
    because: 'deposits would be acknowledged before they are on disk',
  },
  {
    setting: 'data_checksums',
    refuses: 'off',
    because: 'silent corruption would go unnoticed',
    privateOnly: true,
  },
]

const select = `select name, setting from pg_catalog.pg_settings where name = any ($1)`

/**
 * Reads the settings that decide whether a commit survives, and what our sessions pin.
 *
 * @throws ERR_SETTINGS naming each setting that would lose commits; ERR_STORE_UNAVAILABLE when it cannot be asked
 */
export async function checkSettings(
  address: PostgresAddress,
  timeouts: Timeouts,
  cluster: 'private' | 'external',
): Promise<SessionSettings> {
  const found = await readSettings(address, timeouts)
  const faults = findFaults(found, cluster)
  if (faults.length > 0) {
    const words = faults.map(({ field, rule }) => `${field} ${rule}`).join('; ')
    throw new DomainError('ERR_SETTINGS', `the database would lose deposits: ${words}`, {
      faults,
      hints: ['change the settings in postgresql.conf, reload PostgreSQL and start again'],
    })
  }
  // `remote_apply` promises more than `on`; everything else is raised to `on`.
  const remote = found.get('synchronous_commit') === 'remote_apply'
  return { synchronousCommit: remote ? 'remote_apply' : 'on' }
}

/** The requirements that these settings break. */
export function findFaults(
  settings: ReadonlyMap<string, string>,
  cluster: 'private' | 'external',
): readonly FieldFault[] {
  return requirements
    .filter(({ privateOnly }) => cluster === 'private' || !privateOnly)
    .filter(({ setting, refuses }) => (settings.get(setting) ?? refuses) === refuses)
    .map(({ setting, refuses, because }) => ({
      field: setting,
      rule: `must not be ${refuses}: ${because}`,
    }))
}

async function readSettings(
  address: PostgresAddress,
  timeouts: Timeouts,
): Promise<ReadonlyMap<string, string>> {
  const client = new pg.Client(plainConfig(address, timeouts))
  client.on('error', () => undefined)
  try {
    await client.connect()
    const names = requirements.map(({ setting }) => setting)
    const { rows } = await client.query<{ name: string; setting: string }>(select, [names])
    return new Map(rows.map(({ name, setting }) => [name, setting]))
  } catch (error) {
    throw translate(error)
  } finally {
    // What was read is read; a connection that does not close by itself is no failure.
    await client.end().catch(() => undefined)
  }
}
