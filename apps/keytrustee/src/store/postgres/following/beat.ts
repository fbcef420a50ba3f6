/** The statements by which a server watches a copy of the database and shows that it writes to the primary. */
import type { Fingerprint, Uuid } from '@keyhsm/core'
import type pg from 'pg'
import { warnsOfCommit } from '../sqlstate.js'
import { leaseMs } from './choose.js'
import type { NodeIdentity, NodeSeen, Sighting } from './sighting.js'

const answerMs = 2_000
/** A beat waits for the standby; one without an answer for so long was lost on its way. */
const beatMs = 60_000

/** The name of the WAL file being written begins with the timeline. @see PostgreSQL 15 manual, §9.27.3 pg_walfile_name */
const look = `select pg_catalog.pg_is_in_recovery() as standby,
    (select system_identifier::text from pg_catalog.pg_control_system()) as system,
    case when pg_catalog.pg_is_in_recovery() then null
      else pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) end as wal_file,
    pg_catalog.current_setting('synchronous_standby_names') as standbys,
    exists (select from keytrustee.nodes where node = $1 and beat_at = '-infinity') as removed`
/** A server that has not written for a week was taken away. The schema of the release before has no Key HSMs. */
const findNodes = `select node::text, name, url, server_fingerprint::text as fingerprint, version, timeline,
    to_jsonb(nodes) ->> 'key_hsm' as key_hsm, (to_jsonb(nodes) ->> 'key_hsm_healthy')::boolean as key_hsm_healthy,
    (extract(epoch from clock_timestamp() - beat_at) * 1000)::float8 as age_ms
  from keytrustee.nodes where beat_at > clock_timestamp() - interval '7 days'
  order by timeline desc, beat_at desc limit 32`
/** The first timeline ever seen of a database has none before it to wait for. */
const write = `with known as (
    insert into keytrustee.timelines (timeline, since)
    select $1, case when exists (select from keytrustee.timelines) then now() else '-infinity' end
    on conflict do nothing)
  insert into keytrustee.nodes as before (timeline, node, name, url, server_fingerprint, version, beat_at)
  values ($1, $2, $3, $4, $5, $6, now())
  on conflict (node) do update set timeline = excluded.timeline, name = excluded.name, url = excluded.url,
    server_fingerprint = excluded.server_fingerprint, version = excluded.version, beat_at = excluded.beat_at
  where before.beat_at > '-infinity'
  returning (extract(epoch from clock_timestamp() - coalesce(
    (select greatest(since, '2000-01-01') from keytrustee.timelines where timeline = $1),
    case when exists (select from keytrustee.timelines) then now() else '2000-01-01' end)) * 1000)::float8
    as since_ms`

interface Looked {
  readonly standby: boolean
  readonly system: string
  readonly wal_file: string | null
  readonly standbys: string
  readonly removed: boolean
}

interface NodeRow {
  readonly node: Uuid
  readonly name: string
  readonly url: string
  readonly fingerprint: Fingerprint
  readonly version: string
  readonly timeline: number
  readonly age_ms: number
  readonly key_hsm: string | null
  readonly key_hsm_healthy: boolean | null
}

/** What a copy is now, for the server `own`. `seenAt`: when asking began. @throws what the driver throws */
export async function lookAt(client: pg.Client, own: Uuid, seenAt: number): Promise<Sighting> {
  const { rows } = await client.query<Looked>({ ...bounded(look, answerMs), values: [own] })
  const [looked] = rows
  if (!looked) throw new Error('no answer')
  const nodes = await client.query<NodeRow>(bounded(findNodes, answerMs))
  const primary = !looked.standby
  return {
    seenAt,
    primary,
    system: looked.system,
    timeline: primary ? timelineOfFile(looked.wal_file) : nodes.rows[0]?.timeline,
    synchronous: looked.standbys.trim() !== '',
    removed: looked.removed,
    nodes: nodes.rows.map(toNode),
  }
}

/**
 * Writes this server's row on a primary.
 * @returns until when nothing may be acknowledged, in ms from now; undefined when the commit was not confirmed, or the
 *   server was removed meanwhile
 * @throws what the driver throws
 */
export async function beat(
  client: pg.Client,
  timeline: number,
  own: NodeIdentity,
): Promise<{ readonly holdMs: number } | undefined> {
  let confirmed = true
  const notice = (message: { readonly code?: string | undefined }) => {
    if (warnsOfCommit(message)) confirmed = false
  }
  client.on('notice', notice)
  try {
    const { node, name, url, serverFingerprint, version } = own
    const values = [timeline, node, name, url, serverFingerprint, version]
    const config = { ...bounded(write, beatMs), values }
    const { rows } = await client.query<{ since_ms: number }>(config)
    const holdMs = Math.max(0, leaseMs - (rows[0]?.since_ms ?? 0))
    return confirmed && rows.length > 0 ? { holdMs } : undefined
  } finally {
    client.off('notice', notice)
  }
}

function bounded(text: string, queryTimeoutMs: number): pg.QueryConfig {
  return { text, query_timeout: queryTimeoutMs } as pg.QueryConfig
}

/** The first eight hex digits. @see PostgreSQL 15 manual, §30.6 */
function timelineOfFile(name: string | null): number {
  return Number.parseInt((name ?? '').slice(0, 8), 16) || 0
}

function toNode({
  fingerprint,
  age_ms,
  key_hsm: detail,
  key_hsm_healthy: healthy,
  ...row
}: NodeRow): NodeSeen {
  const keyHsm = detail === null ? {} : { keyHsm: { healthy: healthy === true, detail } }
  return { ...row, serverFingerprint: fingerprint, ageMs: age_ms, ...keyHsm }
}
