/** What the private cluster asks of its own PostgreSQL as the administrator: is it there, and make it ready for the service. */
import pg from 'pg'
import type { PostgresAddress } from './address.js'
import { defaultTimeouts, plainConfig } from './pool.js'
import { sqlState, translate } from './sqlstate.js'

/**
 * `ready`: it let us in. `starting`: it is there but not yet, or no longer, serving. `silent`: nobody answers.
 * `refuses`: it answers and does not let us in.
 */
export type Answer = 'ready' | 'starting' | 'silent' | 'refuses'

/** Knocks once. Never throws. */
export async function askServer(address: PostgresAddress, timeoutMs = 2_000): Promise<Answer> {
  const timeouts = { ...defaultTimeouts, connectMs: timeoutMs, answerMs: timeoutMs }
  try {
    await withAdministrator(address, timeouts, (client) => client.query('select 1'))
    return 'ready'
  } catch (error) {
    const state = sqlState(error)
    if (state === undefined) return 'silent'
    return state.startsWith('57P') ? 'starting' : 'refuses'
  }
}

/** Makes the role of the service and the database, if they are not there. `administrator` names the database `postgres`. */
export async function makeDatabase(
  administrator: PostgresAddress,
  database: string,
  serviceRole: string,
): Promise<void> {
  const name = pg.escapeIdentifier(database)
  const role = pg.escapeIdentifier(serviceRole)
  try {
    await withAdministrator(administrator, defaultTimeouts, async (client) => {
      const exists = async (text: string, value: string) =>
        ((await client.query(text, [value])).rowCount ?? 0) > 0
      if (!(await exists('select from pg_catalog.pg_roles where rolname = $1', serviceRole)))
        await client.query(`create role ${role} login noinherit`)
      if (await exists('select from pg_catalog.pg_database where datname = $1', database)) return
      await client.query(`create database ${name} template template0`)
      // Nobody but the administrator and the service has business in it.
      await client.query(`revoke all on database ${name} from public`)
      await client.query(`grant connect on database ${name} to ${role}`)
    })
  } catch (error) {
    throw translate(error)
  }
}

/** After rows came without statistics, as by pg_upgrade: the first requests would be planned badly. */
export async function gatherStatistics(administrator: PostgresAddress): Promise<void> {
  const { answerMs: _, ...timeouts } = defaultTimeouts
  try {
    await withAdministrator(administrator, { ...timeouts, answerMs: 3_600_000 }, (client) =>
      client.query('analyze'),
    )
  } catch (error) {
    throw translate(error)
  }
}

async function withAdministrator<Result>(
  address: PostgresAddress,
  timeouts: typeof defaultTimeouts,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client(plainConfig(address, timeouts))
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}
