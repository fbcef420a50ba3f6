import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newUuid } from '@keyhsm/core'
import { findPutFacts } from '../../../src/store/postgres/put-facts.js'
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.js'
import type { Client, Deposit, PutFacts, Store } from '../../../src/store/store.js'
import { depositRow, enrol, noon, requestRow, revisionRow } from '../../support/rows.js'
import { rowsMetBy } from '../../support/rows-met.js'
import { freshDatabase, type TestDatabase } from '../../support/with-postgres.js'

describe('what a put is planned with', () => {
  let database: TestDatabase
  let store: Store
  let client: Client
  let deposits: readonly Deposit[]

  beforeAll(async () => {
    database = await freshDatabase()
    store = await openPostgresStore({ address: database.service, cluster: 'private' })
    ;({ client } = await enrol(store))
    deposits = Array.from({ length: 1000 }, () => depositRow(client))
    await store.withTransaction(async (transaction) => {
      for (const deposit of deposits) {
        await transaction.insertDeposit(deposit, revisionRow(deposit))
        await transaction.insertRequest(requestRow(client))
      }
    })
  }, 60_000)
  afterAll(() => store.close())

  it.each([1, 100])('is one statement that meets %d rows and the two counts', async (puts) => {
    const handles = deposits.slice(0, puts).map(({ handle }) => handle)
    const { uuid, organisation } = client
    let facts: PutFacts | undefined
    const rows = await rowsMetBy(database, async (queries) => {
      const of = { requestId: newUuid(), client: uuid, organisation }
      facts = await findPutFacts(queries, { ...of, handles, since: noon })
    })
    expect(facts?.deposits).toHaveLength(puts)
    expect(rows).toEqual([puts + 2])
  })
})
