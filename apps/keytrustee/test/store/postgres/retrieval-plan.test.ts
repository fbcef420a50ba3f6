import type { Handle, Uuid } from '@keyhsm/core'
import { newUuid } from '@keyhsm/core'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findForRetrieval } from '../../../src/store/postgres/deposits.js'
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.js'
import { queriesOn } from '../../../src/store/postgres/pool.js'
import type { Statement, Value } from '../../../src/store/postgres/queries.js'
import type { Client, Deposit, Revision, Store } from '../../../src/store/store.js'
import { depositRow, enrol, revisionRow } from '../../support/rows.js'
import { freshDatabase, type TestDatabase, withClient } from '../../support/with-postgres.js'

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Index Name'?: string
  readonly 'Relation Name'?: string
  readonly Plans?: readonly PlanNode[]
}

function shape(node: PlanNode): string {
  const inner = (node.Plans ?? []).map(shape).join(', ')
  const where = node['Index Name'] ?? node['Relation Name'] ?? ''
  return `${node['Node Type']} ${where} (${inner})`
}

/** Whoever asks, and for whatever: what reaches the database must not tell an absent deposit from a foreign one. */
describe('findForRetrieval', () => {
  let database: TestDatabase
  let store: Store
  let owner: Client
  let other: Client
  let deposit: Deposit
  let revision: Revision

  beforeAll(async () => {
    database = await freshDatabase()
    store = await openPostgresStore({ address: database.service, cluster: 'private' })
    const enrolled = await enrol(store)
    owner = enrolled.client
    other = (await enrol(store, enrolled.organisation)).client
    await store.withTransaction(async (transaction) => {
      for (let count = 0; count < 300; count += 1) {
        deposit = depositRow(count % 2 ? owner : other)
        revision = revisionRow(deposit)
        await transaction.insertDeposit(deposit, revision)
      }
    })
    await withClient(database.administrator, (client) => client.query('analyze'))
  }, 60_000)
  afterAll(() => store.close())

  /** Statement and values of each query that a retrieval runs, with the rows found. */
  async function record(client: pg.Client, asker: Uuid, ref: { handle: Handle } | { uuid: Uuid }) {
    const runs: { readonly statement: Statement; readonly values: readonly Value[] }[] = []
    const queries = queriesOn(client)
    const found = await findForRetrieval(
      {
        run(statement, values) {
          runs.push({ statement, values })
          return queries.run(statement, values)
        },
      },
      asker,
      ref,
    )
    return { runs, found: found !== undefined }
  }

  async function planOf(
    client: pg.Client,
    { statement, values }: { statement: Statement; values: readonly Value[] },
  ) {
    const { rows } = await client.query<{ 'QUERY PLAN': readonly [{ Plan: PlanNode }] }>(
      `explain (format json) ${statement.text}`,
      [...values],
    )
    const [row] = rows
    if (!row) throw new Error('no plan')
    return shape(row['QUERY PLAN'][0].Plan)
  }

  it.each(['handle', 'deposit', 'revision'] as const)(
    'runs one statement with one plan, on indexes, by %s: own, foreign, absent',
    async (by) => {
      const refs = {
        handle: { known: { handle: deposit.handle }, unknown: { handle: 'absent' as Handle } },
        deposit: { known: { uuid: deposit.uuid }, unknown: { uuid: newUuid() } },
        revision: { known: { uuid: revision.uuid }, unknown: { uuid: newUuid() } },
      }[by]
      await withClient(database.service, async (client) => {
        await client.query('set search_path = keytrustee')
        const own = await record(client, deposit.owner, refs.known)
        const stranger = deposit.owner === owner.uuid ? other : owner
        const foreign = await record(client, stranger.uuid, refs.known)
        const absent = await record(client, deposit.owner, refs.unknown)
        expect([own.found, foreign.found, absent.found]).toEqual([true, false, false])
        for (const { runs } of [own, foreign, absent]) expect(runs).toHaveLength(1)
        const runs = [own, foreign, absent].flatMap((asked) => asked.runs)
        expect(new Set(runs.map(({ statement }) => statement.name)).size).toBe(1)
        const plans = new Set<string>()
        for (const run of runs) plans.add(await planOf(client, run))
        expect(plans.size).toBe(1)
        expect([...plans][0]).toContain('Index Scan')
        expect([...plans][0]).not.toContain('Seq Scan')
      })
    },
  )
})
