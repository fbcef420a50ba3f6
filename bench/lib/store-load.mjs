#!/usr/bin/env node
/**
 * What the benchmark does inside the database, as the user whose cluster it is: one process, asked by lines of JSON on
 * standard input, one answer a line.
 *
 *   {"seed": 1000000}                 fills up to so many deposits, through the store, with grants that the server believes
 *   {"unsealed": 1000}                so many more deposits as a server in pass-through stores them
 *   {"store": {"concurrency": 8, "forMs": 2000, "organisations": 4}}   deposits as puts under a shared HSM key store them
 *   {"rows": {"concurrency": 8, "forMs": 2000}}    the same rows and counts as plain SQL, one statement and commit each, without our code
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
import { createPassThroughSealer } from '../../apps/keytrustee/dist/sealing/pass-through.js'
import { openPostgresStore } from '../../apps/keytrustee/dist/store/postgres/postgres-store.js'
import { shareTransactions } from '../../apps/keytrustee/dist/store/share-transactions.js'
import { measure } from './measure.mjs'

const perTransaction = 500
const transactions = 4
const contentBytes = 1024
/** As large as what a put of 1 KiB of content stores. */
const storedBytes = 1300

/** What a put leaves in the tables, in one statement that is its own transaction. */
const putRows = {
  name: 'bench_put',
  text: `with deposit as (
      insert into deposits (uuid, organisation, owner, handle, state, revision, created_at, updated_at, grant_mac)
      values ($1, $2, $3, $4, 'active', 1, $5, $5, $6)
    ), revision as (
      insert into revisions (uuid, deposit, revision, sealing, content_bytes, hsm_key_id, hsm_key_label,
        scope, kind, created_at, sealed_at, stored)
      values ($7, $1, 1, 'hsm', $8, repeat('0', 32), 'seed', 'service', 'aes-256', $5, $5, $9)
    ), answer as (
      insert into requests values ($10, $3, $6, repeat('x', 300), $5)
    )
    insert into usages (subject, deposits)
    select subject, 1 from unnest(array[$2::uuid, $3::uuid]) as counted (subject) order by subject
    on conflict (subject) do update set deposits = usages.deposits + 1`,
}

const paths = pathsIn(join(process.argv[2], 'keytrustee'))
const { service } = await startCluster({ directory: paths.database })
const store = await openPostgresStore({ address: service, cluster: 'private' })
const grantKey = Buffer.from((await readPrivateText(paths.grantKey)).trim(), 'hex')
const grants = openGrants(SecretBytes.own(grantKey))
const passThrough = createPassThroughSealer(grants)
const signal = new AbortController().signal
/** A client of each organisation that stores; the first is the one that enrolled. */
const owners = await store.listClients({ limit: 1 })

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line)
  const answer = await run(order)
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
await store.close()

function run({ seed: total, unsealed, store: how, rows, insert }) {
  if (unsealed !== undefined) return fill(unsealed, insertUnsealed)
  if (total !== undefined) return seed(total)
  if (rows) return insertRows(rows)
  return how ? storeDeposits(how) : insertRaw(insert)
}

/**
 * A deposit as a put stores it that makes no HSM key: deposit, revision, answer of the request and counts within the quotas,
 * all or nothing. Those that come meanwhile share a transaction.
 */
async function storeDeposits({ concurrency, forMs, organisations }) {
  while (owners.length < organisations) owners.push(await addOwner())
  const reply = 'x'.repeat(300)
  const shared = shareTransactions(store)
  const limits = { client: 1_000_000_000, organisation: 1_000_000_000 }
  const one = (worker) => {
    const owner = owners[worker % organisations]
    return shared.run(owner.organisation, async (transaction) => {
      await transaction.limitDeposits(
        { client: owner.uuid, organisation: owner.organisation },
        limits,
      )
      await transaction.insertRequest({
        requestId: newUuid(),
        client: owner.uuid,
        requestHash: randomBytes(32).toString('hex'),
        reply,
        createdAt: new Date(),
      })
      await insertOne(transaction, owner)
    })
  }
  const { rate, p50Ms, p99Ms } = await measure(
    { concurrency, forMs, warmMs: forMs / 4, signal },
    one,
  )
  return { rate, p50Ms, p99Ms }
}

/** One more organisation like the first, with a client like its client. */
async function addOwner() {
  const [first] = owners
  const organisation = grants.organisation({
    ...(await store.findOrganisation({ uuid: first.organisation })),
    uuid: newUuid(),
    name: `bench-${owners.length}`,
  })
  const keyFingerprint = randomBytes(32).toString('hex')
  const of = { uuid: newUuid(), organisation: organisation.uuid, keyFingerprint }
  const client = grants.client({ ...first, ...of })
  await store.withTransaction(async (transaction) => {
    await transaction.insertOrganisation(organisation)
    await transaction.insertClient(client)
  })
  return client
}

async function seed(total) {
  return fill(total - (await store.countDeposits()), insertOne)
}

async function fill(missing, insertNext) {
  const began = Date.now()
  const [owner] = owners
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

/** Plain INSERT and COMMIT. */
async function insertRaw({ bytes, ...how }) {
  // The service's role may not make tables; a temporary one is not logged, so its commits would be free.
  const insert = {
    name: 'bench_insert',
    text: 'insert into requests values ($1, $2, $3, $4, now())',
  }
  const reply = randomBytes(bytes / 2).toString('hex')
  const client = newUuid()
  const hash = randomBytes(32).toString('hex')
  const result = await onConnections(how, () => {
    return { ...insert, values: [newUuid(), client, hash, reply] }
  })
  await forget(client)
  return result
}

async function insertRows(how) {
  const [owner] = owners
  const stored = randomBytes(storedBytes)
  const hash = randomBytes(32).toString('hex')
  return onConnections(how, () => {
    const whose = [newUuid(), owner.organisation, owner.uuid, `plain-${randomUUID()}`]
    const values = [...whose, new Date(), hash, newUuid(), contentBytes, stored, newUuid()]
    return { ...putRows, values }
  })
}

/** One connection each of those at once. */
async function onConnections({ concurrency, forMs }, makeQuery) {
  const connections = Array.from({ length: concurrency }, connect)
  await Promise.all(connections.map((connection) => connection.connect()))
  try {
    const { rate, p50Ms, p99Ms } = await measure(
      { concurrency, forMs, warmMs: forMs / 4, signal },
      (worker) => connections[worker].query(makeQuery()),
    )
    return { rate, p50Ms, p99Ms }
  } finally {
    await Promise.all(connections.map((connection) => connection.end()))
  }
}

function connect() {
  const { host, port, user, database } = service
  return new pg.Client({ host, port, user, database, options: '-c search_path=keytrustee' })
}

async function forget(client) {
  const connection = connect()
  await connection.connect()
  await connection.query('delete from requests where client = $1', [client])
  await connection.end()
}
