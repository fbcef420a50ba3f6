/** Whether a database answers, and would still keep what it acknowledges. */
import type { StoreHealth } from '../store.js'
import { findFaults } from './check-settings.js'
import { findAll, type Queries } from './queries.js'

const health = {
  name: 'health',
  text: `select name, setting, current_setting('server_version') as version,
      pg_catalog.pg_is_in_recovery()::text as standby
    from pg_catalog.pg_settings
    where name in ('fsync', 'full_page_writes', 'data_checksums', 'synchronous_commit')`,
}

/** @throws ERR_STORE_UNAVAILABLE */
export async function readHealth(
  queries: Queries,
  cluster: 'private' | 'external',
): Promise<StoreHealth> {
  const rows = await findAll(queries, health, [], (row) => ({
    setting: [row.text('name'), row.text('setting')] as const,
    version: row.text('version'),
    standby: row.text('standby') === 'true',
  }))
  const [fault] = findFaults(new Map(rows.map(({ setting }) => setting)), cluster)
  if (fault) return { state: 'unavailable', detail: `${fault.field} ${fault.rule}` }
  const { version = '', standby = false } = rows[0] ?? {}
  const role = standby ? ', standby: retrievals only' : ''
  return { state: 'ready', detail: `PostgreSQL ${version}${role}` }
}
