#!/usr/bin/env node
/**
 * What the benchmark does inside the database, as the user whose cluster it is: one process, asked by lines of JSON on
 * standard input, one answer a line.
 *
 *   {"seed": 1000000}                 fills up to so many deposits, through the store, with grants that the server believes
 *   {"unsealed": 1000}                so many more deposits as a server in pass-through stores them
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
import { createPassThroughSealer } from '../../apps/keytrustee/dist/sealing/pass-through.js'
import { openPostgresStore } from '../../apps/keytrustee/dist/store/postgres/postgres-store.js'
import { shareTransactions } from '../../apps/keytrustee/dist/store/share-transactions.js'
import { measure } from './measure.mjs'

const perTransaction = 500
const transactions = 4
const contentBytes = 1024
/** As large as what a put of 1 KiB of content stores. */
const storedBytes = 1300

const paths = pathsIn(join(process.argv[2], 'keytrustee'))
const { service } = await startCluster({ directory: paths.database })
const store = await openPostgresStore({ address: service, cluster: 'private' })
const grantKey = Buffer.from((await readPrivateText(paths.grantKey)).trim(), 'hex')
const grants = openGrants(SecretBytes.own(grantKey))
const passThrough = createPassThroughSealer(grants)
const signal = new AbortController().signal

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line)
  const answer = await run(order)
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
await store.close()

function run({ seed: total, unsealed, store: how, insert }) {
  if (unsealed !== undefined) return fill(unsealed, insertUnsealed)
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
  return fill(total - (await store.countDeposits()), insertOne)
}

async function fill(missing, insertNext) {
  const began = Date.now()
  const [owner] = await store.listClients({ limit: 1 })
  for (let done = 0; done < missing; done += transactions * perTransaction) {
    const rounds = Array.from({ length: transactions }, (_, index) => {
      const left = missing - done - index * perTransaction
      const count = Math.min(perTransaction, Math.max(0, left))
      return store.withTransaction((transaction) =>
        Promise.all(Array.from({ length: count }, () => insertNext(transaction, owner))),
      )
    })
    await Promise.all(rounds)
  }
  return { deposits: await store.countDeposits(), ms: Date.now() - began }
}

function insertOne(transaction, owner) {
  return insertDeposit(transaction, newDeposit(owner), {
    sealing: 'hsm',
    stored: randomBytes(storedBytes),
    hsmKeyId: '0'.repeat(32),
    hsmKeyLabel: 'seed',
    scope: 'service',
    kind: 'aes-256',
  })
}

async function insertUnsealed(transaction, owner) {
  const deposit = newDeposit(owner)
  const { organisation, uuid, handle, revision } = deposit
  const context = { organisation, deposit: uuid, handle, revision }
  const content = randomBytes(contentBytes)
  const { stored } = await passThrough.seal({ context, content })
  return insertDeposit(transaction, deposit, { sealing: 'pass-through', stored })
}

function newDeposit(owner) {
  const now = new Date()
  return grants.deposit({
    uuid: newUuid(),
    organisation: owner.organisation,
    owner: owner.uuid,
    handle: `seed-${randomUUID()}`,
    state: 'active',
    revision: 1,
    createdAt: now,
    updatedAt: now,
    undeleteUntil: undefined,
  })
}

function insertDeposit(transaction, deposit, form) {
  const { uuid, revision, createdAt } = deposit
  const of = { uuid: grants.revisionUuid(uuid, revision), deposit: uuid, revision, contentBytes }
  return transaction.insertDeposit(deposit, { ...of, createdAt, sealedAt: createdAt, ...form })
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
