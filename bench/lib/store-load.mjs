#!/usr/bin/env node
/**
 * What the benchmark does inside the database, as the user whose cluster it is: one process, asked by lines of JSON on
 * standard input, one answer a line.
 *
 *   {"seed": 1000000}                 fills up to so many deposits, through the store, with grants that the server believes
 *   {"store": {"concurrency": 8, "forMs": 2000}}   deposits as puts under a shared HSM key store them
 *   {"insert": {"concurrency": 8, "forMs": 2000, "bytes": 1300}}   rows of that size into a table of its own, a commit each
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { newUuid, SecretBytes } from '@keyhsm/core'
import { startCluster } from '../../apps/keytrustee/dist/cluster/index.js'
import { readPrivateText } from '../../apps/keytrustee/dist/files.js'
import { openGrants } from '../../apps/keytrustee/dist/grants.js'
import { pathsIn } from '../../apps/keytrustee/dist/paths.js'
import { readUsages } from '../../apps/keytrustee/dist/deposits/quotas.js'
import { openPostgresStore } from '../../apps/keytrustee/dist/store/postgres/postgres-store.js'
import { shareTransactions } from '../../apps/keytrustee/dist/store/share-transactions.js'
import { measure } from './measure.mjs'

const perTransaction = 500
const transactions = 4
/** As large as what a put of 1 KiB of content stores. */
const storedBytes = 1300

const paths = pathsIn(join(process.argv[2], 'keytrustee'))
const { service } = await startCluster({ directory: paths.database })
const store = await openPostgresStore({ address: service, cluster: 'private' })
const grantKey = Buffer.from((await readPrivateText(paths.grantKey)).trim(), 'hex')
const grants = openGrants(SecretBytes.own(grantKey))
const signal = new AbortController().signal

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line)
  const answer = await run(order)
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
await store.close()

function run({ seed: total, store: how, insert }) {
  if (total !== undefined) return seed(total)
  return how ? storeDeposits(how) : insertRaw(insert)
}

/**
 * A deposit as a put stores it that makes no HSM key: quotas read under the organisation's lock, then deposit, revision,
 * answer of the request and count, all or nothing. Those that come meanwhile share a transaction.
 */
async function storeDeposits({ concurrency, forMs }) {
  const [owner] = await store.listClients({ limit: 1 })
  const reply = 'x'.repeat(300)
  const shared = shareTransactions(store)
  const of = { client: owner.uuid, organisation: owner.organisation }
  const one = () =>
    shared.run(owner.organisation, async (transaction) => {
      await transaction.lockOrganisation(owner.organisation)
      await readUsages(transaction, of, new Date())
      await transaction.insertRequest({
        requestId: newUuid(),
        client: owner.uuid,
        requestHash: randomBytes(32).toString('hex'),
        reply,
        createdAt: new Date(),
      })
      await insertOne(transaction, owner)
    })
  const { rate, p50Ms, p99Ms } = await measure(
    { concurrency, forMs, warmMs: forMs / 4, signal },
    one,
  )
  return { rate, p50Ms, p99Ms }
}

async function seed(total) {
  const began = Date.now()
  const [owner] = await store.listClients({ limit: 1 })
  const missing = total - (await store.countDeposits())
  for (let done = 0; done < missing; done += transactions * perTransaction) {
    const rounds = Array.from({ length: transactions }, (_, index) => {
      const left = missing - done - index * perTransaction
      const count = Math.min(perTransaction, Math.max(0, left))
      return store.withTransaction((transaction) =>
        Promise.all(Array.from({ length: count }, () => insertOne(transaction, owner))),
      )
    })
    await Promise.all(rounds)
  }
  return { deposits: await store.countDeposits(), ms: Date.now() - began }
}

function insertOne(transaction, owner) {
  const uuid = newUuid()
  const now = new Date()
  const deposit = grants.deposit({
    uuid,
    organisation: owner.organisation,
    owner: owner.uuid,
    handle: `seed-${randomUUID()}`,
    state: 'active',
    revision: 1,
    createdAt: now,
    updatedAt: now,
    undeleteUntil: undefined,
  })
  return transaction.insertDeposit(deposit, {
    uuid: grants.revisionUuid(uuid, 1),
    deposit: uuid,
    revision: 1,
    sealing: 'hsm',
    stored: randomBytes(storedBytes),
    contentBytes: 1024,
    hsmKeyId: '0'.repeat(32),
    hsmKeyLabel: 'seed',
    scope: 'service',
    kind: 'aes-256',
    createdAt: now,
    sealedAt: now,
  })
}

/** Plain INSERT and COMMIT, one connection each of those at once. */
async function insertRaw({ concurrency, forMs, bytes }) {
  const { host, port, user, database } = service
  const connections = Array.from(
    { length: concurrency },
    () => new pg.Client({ host, port, user, database }),
  )
  await Promise.all(connections.map((connection) => connection.connect()))
  try {
    // The service's role may not make tables; a temporary one is not logged, so its commits would be free.
    const insert = {
      name: 'bench_insert',
      text: 'insert into keytrustee.requests values ($1, $2, $3, $4, now())',
    }
    const reply = randomBytes(bytes / 2).toString('hex')
    const client = newUuid()
    const hash = randomBytes(32).toString('hex')
    const { rate, p50Ms, p99Ms } = await measure(
      { concurrency, forMs, warmMs: forMs / 4, signal },
      (worker) =>
        connections[worker].query({ ...insert, values: [newUuid(), client, hash, reply] }),
    )
    await connections[0].query('delete from keytrustee.requests where client = $1', [client])
    return { rate, p50Ms, p99Ms }
  } finally {
    await Promise.all(connections.map((connection) => connection.end()))
  }
}
