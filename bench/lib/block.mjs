/**
 * One operation at each concurrency, between two readings of its raw limit: the machine's speed wanders, so only
 * figures that stand close together in time are compared.
 */
import { measure, warmUp } from './measure.mjs'
import { betweenCpu, readCpu } from './processes.mjs'
import { askProbe } from './probes.mjs'

/**
 * After so many V8 has compiled what is used. After 3,000 opens its compiler threads still took as long as the request itself
 * (0.66 ms of CPU an open beside 0.78, and 0.09 beside 0.43 after 20,000).
 */
const warmOperations = 20_000

/**
 * @typedef {object} Block
 * @property {string} layer
 * @property {string} scope
 * @property {string} kind
 * @property {string} operation
 * @property {string} [limit] name of the raw operation that it cannot be faster than
 * @property {number} forMs
 * @property {Record<string, (tree: Map<number, object>) => number[]>} roles whose CPU time is told apart
 * @property {Record<string, number>} [loops] process ids of services whose event loop is watched
 * @property {() => Promise<import('./connection.mjs').Connection>} [connect] a connection for each of those at once
 * @property {(connection?: import('./connection.mjs').Connection) => Promise<unknown>} step the operation, once
 */

/** @param {import('./bench.mjs').Bench} bench @param {Block} block */
export async function measureBlock(bench, block) {
  await warm(bench, block)
  const before = await readLimit(bench, block)
  const rows = []
  for (const concurrency of bench.concurrencies)
    rows.push(await measureCell(bench, block, concurrency))
  const after = await readLimit(bench, block)
  const limits = before.map((one, index) => meanOf(one, after[index]))
  for (const row of rows) bench.rows.push({ ...row, ...compare(block, row, limits) })
}

async function warm(bench, block) {
  const { layer, kind, operation } = block
  const forMs = bench.lengths.warm
  bench.begin(`${layer}: warm up ${operation} ${kind}`, forMs)
  const concurrency = Math.min(8, Math.max(...bench.concurrencies))
  await withWorkers(block, concurrency, (work) =>
    warmUp({ concurrency, forMs, operations: warmOperations, signal: bench.signal }, work),
  )
}

/**
 * Lends what a worker does: the step, on a connection of its own where there are connections. They are opened before and
 * closed after each cell, because a handshake costs some 70 requests and an idle connection is hung up on.
 */
async function withWorkers({ connect, step }, concurrency, use) {
  const connections = []
  try {
    if (connect) while (connections.length < concurrency) connections.push(await connect())
    return await use((worker) => step(connections[worker]))
  } finally {
    for (const connection of connections) connection.close()
  }
}

/** The limit on one thread and on two. */
async function readLimit(bench, { limit }) {
  if (!limit) return []
  const limits = []
  for (const threads of [1, 2]) {
    bench.begin(`limit: ${limit}, ${threads} threads`, bench.limitMs)
    await bench.quiet()
    limits.push(await bench.raw.measure({ operation: limit, threads, forMs: bench.limitMs }))
  }
  return limits
}

async function measureCell(bench, block, concurrency) {
  const { layer, scope, kind, operation, roles, loops = {} } = block
  bench.begin(`${layer}: ${operation} ${scope} ${kind}, ${concurrency} at once`, block.forMs)
  await bench.quiet()
  const profiled = bench.profile === `${layer} ${operation} ${kind} ${concurrency}`
  let before
  const onWarm = async () => {
    if (profiled) await askLoops(bench, loops, 'profile')
    await askLoops(bench, loops, 'reset')
    before = readCpu(roles)
  }
  const { forMs } = block
  const how = { concurrency, forMs, warmMs: Math.min(500, forMs / 4), signal: bench.signal, onWarm }
  const result = await withWorkers(block, concurrency, (work) => measure(how, work))
  const { used, others } = betweenCpu(before, readCpu(roles))
  const delays = await askLoops(bench, loops, 'read')
  if (profiled) await saveProfiles(bench, loops)
  return {
    layer,
    scope,
    kind,
    operation,
    concurrency,
    ...result,
    cpuMsPerOperation: perOperation(used, result.done),
    loopDelayP99Ms: Object.fromEntries(delays.map(([name, delay]) => [name, delay.p99Ms])),
    othersCores: others,
  }
}

function askLoops(bench, loops, order) {
  return Promise.all(
    Object.entries(loops).map(async ([name, pid]) => [
      name,
      await askProbe(bench.probeFolder, pid, order),
    ]),
  )
}

async function saveProfiles(bench, loops) {
  for (const [name, pid] of Object.entries(loops)) {
    const { file } = await askProbe(bench.probeFolder, pid, `profiled ${name}`)
    bench.keep(file)
  }
}

function perOperation(used, done) {
  return Object.fromEntries(Object.entries(used).map(([role, ms]) => [role, ms / done]))
}

function meanOf(one, other) {
  return { rate: (one.rate + other.rate) / 2, cpuMs: (one.cpuMs + other.cpuMs) / 2 }
}

/** `ofCpu`: of the CPU time that our processes used for one operation, how much the bare call would have needed. */
function compare({ limit }, { rate, cpuMsPerOperation }, [one, two]) {
  if (!limit) return {}
  const { client: _load, ...ours } = cpuMsPerOperation
  const usedMs = Object.values(ours).reduce((total, ms) => total + ms, 0)
  return {
    limit,
    limitOne: one.rate,
    limitTwo: two.rate,
    limitCpuMs: one.cpuMs,
    ofOne: rate / one.rate,
    ofTwo: rate / two.rate,
    ofCpu: one.cpuMs / usedMs,
  }
}
