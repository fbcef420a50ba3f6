/**
 * The Trustee Server's share: put and get at few and at many stored deposits, beside plain INSERT commits of the same run
 * and concurrency; a page of a list; one policy decision. Content is sealed under one AES key (scope `service`).
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { measure, warmUp } from './lib/measure.mjs'
import { StoreLoad } from './lib/store-process.mjs'

export const storeVariant = { scope: 'service', kind: 'aes-256' }
const few = 1000
const rounds = 3
const perBatch = 32
const plainRows = 'put, rows as plain SQL'
/** What a put cannot be faster than, whatever the services do: the client's exchange, and that of the servers inside it. */
const exchangesAlone = 'put, its exchanges alone'
/** Puts of one organisation share transactions, one at a time; those of several are written side by side. */
const storeOrganisations = [1, 4]
const policyRounds = 20_000

export const storeLayer = {
  name: 'store',
  plannedMs: ({ lengths, storeConcurrencies, deposits }) =>
    2 * rounds * storeConcurrencies.length * 8 * lengths.store + deposits / 5,

  /** @param {import('./lib/bench.mjs').Bench} bench @param {import('./lib/services.mjs').Services} services */
  async run(bench, services) {
    const load = new StoreLoad(services.stack)
    bench.onEnd(() => load.close())
    const connectBare = await services.startBareExchanges()
    const handles = []
    for (const deposits of [few, bench.deposits]) {
      bench.begin(`store: seed ${deposits} deposits`, deposits / 5)
      const seeded = await load.ask({ seed: deposits })
      if (handles.length === 0) await fill(bench, services, handles)
      for (const concurrency of bench.storeConcurrencies)
        await measureAt(bench, services, { load, connectBare, handles, concurrency, ...seeded })
    }
    await measureDecision(bench)
  },
}

/** Deposits that are really sealed, to get. */
async function fill(bench, services, handles) {
  bench.begin('store: warm up', bench.lengths.warm)
  const connection = await services.connectTrustee()
  const how = { concurrency: 1, forMs: bench.lengths.warm, operations: 300, signal: bench.signal }
  await warmUp(how, async () => handles.push(await put(connection)))
  await warmUp(how, () => get(connection, handles))
  connection.close()
}

/** Put, get and plain INSERT in turns, so that all three meet the same machine; the best of the rounds counts. */
async function measureAt(bench, services, { load, connectBare, handles, concurrency, deposits }) {
  const connections = []
  const bare = []
  while (connections.length < concurrency) connections.push(await services.connectTrustee())
  while (bare.length < concurrency) bare.push(await connectBare())
  const forMs = bench.lengths.store
  const how = { concurrency, forMs, warmMs: forMs / 4, signal: bench.signal }
  const operations = {
    put: () => measure(how, (worker) => put(connections[worker])),
    [`put, ${perBatch} in a batch`]: async () =>
      perDeposit(await measure(how, (worker) => putBatch(connections[worker]))),
    [exchangesAlone]: () => measure(how, (worker) => bare[worker].call('PUT', '/put', { content })),
    get: () => measure(how, (worker) => get(connections[worker], handles)),
    list: () => measure(how, (worker) => list(connections[worker])),
    ...Object.fromEntries(
      storeOrganisations
        .filter((organisations) => organisations <= concurrency)
        .map((organisations) => [
          `put, in the store${organisations > 1 ? `, ${organisations} organisations` : ''}`,
          () => load.ask({ store: { concurrency, forMs, organisations } }),
        ]),
    ),
    [plainRows]: () => load.ask({ rows: { concurrency, forMs } }),
    'raw INSERT': () => load.ask({ insert: { concurrency, forMs, bytes: 1300 } }),
  }
  try {
    const best = {}
    for (let round = 0; round < rounds; round += 1)
      for (const [operation, run] of Object.entries(operations)) {
        bench.begin(`store: ${operation}, ${concurrency} at once, ${deposits} deposits`, forMs)
        await bench.quiet()
        const result = await run()
        if (result.rate > (best[operation]?.rate ?? 0)) best[operation] = result
      }
    for (const [operation, { rate, p50Ms, p99Ms, failures = {} }] of Object.entries(best))
      bench.store.push({
        operation,
        deposits,
        concurrency,
        rate,
        p50Ms,
        p99Ms,
        failures,
        ofInsert: operation.startsWith('put') ? rate / best['raw INSERT'].rate : undefined,
        ofRows: operation.startsWith('put') ? rate / best[plainRows].rate : undefined,
        ofFew: ofFew(bench, { operation, concurrency, rate }),
      })
  } finally {
    for (const connection of [...connections, ...bare]) connection.close()
  }
}

/** How many times slower than with few deposits. */
function ofFew({ store }, { operation, concurrency, rate }) {
  const before = store.find((row) => row.operation === operation && row.concurrency === concurrency)
  return before && before.rate / rate
}

const content = randomBytes(1024).toString('base64')

async function put(connection) {
  const requestId = randomUUID()
  const handle = `put-${requestId}`
  await connection.call('PUT', `/v1/deposits/${handle}`, { requestId, content, scope: 'service' })
  return handle
}

async function putBatch(connection) {
  const puts = Array.from({ length: perBatch }, () => {
    return { handle: `put-${randomUUID()}`, content, scope: 'service' }
  })
  await connection.call('POST', '/v1/deposit-batches', { requestId: randomUUID(), puts })
}

/** The rate of deposits; times are those of a whole batch. */
function perDeposit(result) {
  return { ...result, rate: result.rate * perBatch }
}

async function get(connection, handles) {
  const handle = handles[Math.floor(Math.random() * handles.length)]
  const reply = await connection.call('GET', `/v1/deposits/${handle}`)
  if (reply.content !== content) throw new Error('a get gave other bytes than were put')
}

/** A page of 100 from anywhere in the order of handles. */
async function list(connection) {
  const after = `seed-${randomUUID().slice(0, 8)}`
  const { deposits } = await connection.call('GET', `/v1/deposits?limit=100&after=${after}`)
  if (deposits.length === 0) throw new Error('a page without deposits')
}

/** Every rule of a policy holds, so every one is looked at: of a usual policy, and of the largest that is accepted. */
async function measureDecision(bench) {
  bench.begin('store: policy decision', 500)
  const { decide } = await import('../apps/keytrustee/dist/policies/decide.js')
  for (const size of [3, 100]) {
    const facts = factsOf(size)
    if (!decide(facts).allowed) throw new Error('the policy of the benchmark refuses')
    for (let round = 0; round < policyRounds; round += 1) decide(facts)
    const began = performance.now()
    for (let round = 0; round < policyRounds; round += 1) decide(facts)
    const micros = ((performance.now() - began) * 1000) / policyRounds
    bench.notes.push(
      `a policy decision, ${size} networks and ${size} readers, every rule looked at: ${micros.toFixed(1)} µs`,
    )
  }
}

/** The caller is the last reader of `size`, and in the last network. */
function factsOf(size) {
  const now = new Date()
  const readers = Array.from({ length: size }, () => randomUUID())
  const organisation = randomUUID()
  const client = { uuid: readers.at(-1), organisation, state: 'active' }
  const policy = {
    notBefore: new Date(now.getTime() - 1000).toISOString(),
    expiresAt: new Date(now.getTime() + 3_600_000).toISOString(),
    maxRetrievals: 1_000_000,
    networks: [...Array.from({ length: size - 1 }, (_, n) => `10.0.${n}.0/24`), '192.0.2.0/24'],
    clients: readers,
    groups: [],
  }
  const deposit = { uuid: randomUUID(), organisation, owner: randomUUID(), state: 'active', policy }
  const counts = { used: 0, approvals: 0, newest: true, revoked: false }
  return { client, groups: [], deposit, now, from: '192.0.2.7', ...counts }
}
