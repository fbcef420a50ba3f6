/**
 * The lowest layer and the limit of all others: synchronous calls of PKCS#11 through `pkcs11js`, each thread in a tight
 * loop on a session of its own, on a SoftHSM token that nobody else uses. Beside some of them, the same calls from C.
 */
import { buildLimit, cOperations, runLimit } from './lib/c-limit.mjs'
import { rawOperations } from './lib/raw-operations.mjs'

/** What the other layers are compared with; beside them as many threads as they have callers. */
const limitThreads = [1, 2]

function threadCountsOf({ concurrencies }) {
  return [...new Set([...limitThreads, ...concurrencies])].sort((a, b) => a - b)
}

export const rawLayer = {
  name: 'raw',
  plannedMs: (bench) =>
    (Object.keys(rawOperations).length * threadCountsOf(bench).length +
      cOperations.length * limitThreads.length) *
    bench.lengths.raw,

  /** @param {import('./lib/bench.mjs').Bench} bench */
  async run(bench) {
    const program = buildLimit(bench)
    for (const [operation, { title }] of Object.entries(rawOperations)) {
      for (const threads of threadCountsOf(bench)) {
        const forMs = bench.lengths.raw
        bench.begin(`raw: ${title}, ${threads} threads`, forMs)
        await bench.quiet()
        const result = await bench.raw.measure({ operation, threads, forMs })
        const inC = program && (await measureInC(bench, program, { operation, threads, forMs }))
        bench.raws.push({ operation, title, threads, ...result, ...inC })
      }
    }
  },
}

async function measureInC(bench, program, order) {
  if (!cOperations.includes(order.operation) || !limitThreads.includes(order.threads))
    return undefined
  bench.begin(`raw: ${order.operation}, ${order.threads} threads, from C`, order.forMs)
  await bench.quiet()
  const { rate, cpuMs } = await runLimit(program, bench.rawToken, order)
  return { rateInC: rate, cpuMsInC: cpuMs }
}
