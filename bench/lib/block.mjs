/**
 * One operation at each concurrency, between two readings of its raw limit: the machine's speed wanders, so only
 * figures that stand close together in time are compared.
 */
import { measure } from './measure.mjs'
import { betweenCpu, readCpu } from './processes.mjs'
import { askProbe } from './probes.mjs'

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
 * @property {(concurrency: number) => Promise<(worker: number) => Promise<unknown>>} prepare
 */

/** @param {import('./bench.mjs').Bench} bench @param {Block} block */
export async function measureBlock(bench, block) {
  await warmUp(bench, block)
  const before = await readLimit(bench, block)
  const rows = []
  for (const concurrency of bench.concurrencies)
    rows.push(await measureCell(bench, block, concurrency))
  const after = await readLimit(bench, block)
  const limits = before.map((one, index) => meanOf(one, after[index]))
  for (const row of rows) bench.rows.push({ ...row, ...compare(block, row, limits) })
}

async function warmUp(bench, { layer, kind, operation, prepare }) {
  const forMs = bench.lengths.warm
  bench.begin(`${layer}: warm up ${operation} ${kind}`, forMs)
  const concurrency = Math.min(8, Math.max(...bench.concurrencies))
  const step = await prepare(concurrency)
  await measure({ concurrency, forMs, warmMs: 0, signal: bench.signal }, step)
}

/** The limit on one thread and on two. */
async function readLimit(bench, { limit }) {
  if (!limit) return []
  const limits = []
  for (const threads of [1, 2]) {
    bench.begin(`limit: ${limit}, ${threads} threads`, bench.limitMs)
    limits.push(await bench.raw.measure({ operation: limit, threads, forMs: bench.limitMs }))
  }
  return limits
}

async function measureCell(bench, block, concurrency) {
  const { layer, scope, kind, operation, roles, loops = {} } = block
  bench.begin(`${layer}: ${operation} ${scope} ${kind}, ${concurrency} at once`, block.forMs)
  const step = await block.prepare(concurrency)
  const order = (what) => askLoops(bench, loops, what)
  const profiled = bench.profile === `${layer} ${operation} ${kind} ${concurrency}`
  let before
  const result = await measure(
    {
      concurrency,
      forMs: block.forMs,
      warmMs: Math.min(500, block.forMs / 4),
      signal: bench.signal,
      onWarm: async () => {
        if (profiled) await order('profile')
        await order('reset')
        before = readCpu(roles)
      },
    },
    step,
  )
  const { used, others } = betweenCpu(before, readCpu(roles))
  const delays = await order('read')
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
    ofOne: rate / one.rate,
    ofTwo: rate / two.rate,
    ofCpu: one.cpuMs / usedMs,
  }
}
