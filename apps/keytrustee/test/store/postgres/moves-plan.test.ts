import type { Uuid } from '@keyhsm/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GatheredSwaps } from '../../../src/store/postgres/gathered-swaps.js'
import { listFormer, listToMove, swapForm } from '../../../src/store/postgres/moves.js'
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.js'
import type { Queries } from '../../../src/store/postgres/queries.js'
import type { Store } from '../../../src/store/store.js'
import { depositRow, enrol, revisionRow } from '../../support/rows.js'
import { rowsMetBy } from '../../support/rows-met.js'
import { freshDatabase, type TestDatabase, withClient } from '../../support/with-postgres.js'

const stored = 2500
const limit = 20
const selection = { from: { sealing: 'hsm' }, to: { sealing: 'pass-through' } } as const

/** As after an import: the tables are full, and nobody has gathered statistics yet. */
describe('pages of a migration', () => {
  let database: TestDatabase
  let store: Store
  let inOrder: readonly Uuid[]

  beforeAll(async () => {
    database = await freshDatabase()
    await withClient(database.administrator, async (client) => {
      for (const table of ['deposits', 'revisions', 'former_revisions'])
        await client.query(`alter table keytrustee.${table} set (autovacuum_enabled = off)`)
    })
    store = await openPostgresStore({ address: database.service, cluster: 'private' })
    const { client: owner } = await enrol(store)
    const rows = Array.from({ length: stored }, () => depositRow(owner))
    await store.withTransaction((transaction) =>
      Promise.all(rows.map((row) => transaction.insertDeposit(row, revisionRow(row)))),
    )
    inOrder = rows.map(({ uuid }) => uuid).sort()
  }, 60_000)
  afterAll(() => store.close())

  const record = (work: (queries: Queries) => Promise<unknown>) => rowsMetBy(database, work)

  it('read what they list and not what was moved before', async () => {
    const after = { deposit: inOrder[stored / 2] as Uuid, revision: 1 }
    let listed = 0
    const rows = await record(async (queries) => {
      const page = await listToMove(queries, selection, { after, limit, maxBytes: 1_000_000 })
      listed = page.length
    })
    expect(listed).toBe(limit)
    expect(rows).toHaveLength(1)
    // Each revision twice and its deposit twice, and the first of the next page.
    expect(rows[0]).toBeLessThanOrEqual(4 * limit + 2)
  })

  it('exchange a batch by its keys', async () => {
    const rows = await record(async (queries) => {
      const page = await listToMove(queries, selection, { limit: 32, maxBytes: 1_000_000 })
      const swaps = new GatheredSwaps(queries)
      const exchange = { before: 'a', next: 'b', swappable: true }
      await Promise.all(
        page.map(({ revision }) =>
          swapForm(swaps, { ...revision, stored: Buffer.from('other') }, revision, exchange),
        ),
      )
    })
    expect(rows).toHaveLength(2)
    // Each revision and its deposit.
    expect(rows[1]).toBeLessThanOrEqual(2 * 32)
  })

  it('walk past what is not chosen, a thousand at a time', async () => {
    const none = { ...selection, from: { sealing: 'pass-through' } } as const
    let listed = -1
    const rows = await record(async (queries) => {
      listed = (await listToMove(queries, none, { limit, maxBytes: 1_000_000 })).length
    })
    expect(listed).toBe(0)
    // Three walks and one that meets nothing, and where each ended.
    expect(rows).toHaveLength(8)
    expect(Math.max(...rows)).toBeLessThanOrEqual(1000)
  })

  it('find what is chosen behind all that are not', async () => {
    const last = inOrder[stored - 1] as Uuid
    await withClient(database.administrator, (client) =>
      client.query(
        `update keytrustee.revisions set sealing = 'pass-through', hsm_key_id = null where deposit = $1`,
        [last],
      ),
    )
    const turned = { from: { sealing: 'pass-through' }, to: { sealing: 'hsm' } } as const
    const page = await store.listToMove(turned, { limit, maxBytes: 1 })
    expect(page.map(({ deposit }) => deposit.uuid)).toEqual([last])
  })

  it('read former forms from the cursor on', async () => {
    await withClient(database.administrator, (client) =>
      client.query(`insert into keytrustee.former_revisions (uuid, deposit, revision, sealing, sealed_at,
        stored, grant_mac, other_grant_mac) select uuid, deposit, revision, sealing, sealed_at, stored, 'a', 'b'
        from keytrustee.revisions`),
    )
    const first = await store.listFormer({ swappable: true, limit: stored - 100 })
    const after = first.at(-1)?.uuid
    if (!after) throw new Error('none')
    const rows = await record((queries) => listFormer(queries, { swappable: true, after, limit }))
    expect(rows[0]).toBeLessThanOrEqual(2 * limit)
    const any = await record((queries) => listFormer(queries, { swappable: false, after, limit }))
    expect(any[0]).toBeLessThanOrEqual(limit)
    for (const swappable of [true, false])
      expect(await store.listFormer({ swappable, after, limit: stored })).toHaveLength(100)
  })
})
