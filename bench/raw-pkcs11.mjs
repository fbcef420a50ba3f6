/**
 * The lowest layer and the limit of all others: synchronous calls of PKCS#11 through `pkcs11js`, each thread in a tight
 * loop on a session of its own, on a SoftHSM token that nobody else uses. Beside some of them, the same calls from C.
 */
import { buildLimit, cOperations, runLimit } from './lib/c-limit.mjs'
import { rawOperations } from './lib/raw-operations.mjs'

const threadCounts = [1, 2]

export const rawLayer = {
  name: 'raw',
  plannedMs: ({ lengths }) =>
    (Object.keys(rawOperations).length + cOperations.length) * threadCounts.length * lengths.raw,

  /** @param {import('./lib/bench.mjs').Bench} bench */
  async run(bench) {
    const program = buildLimit(bench)
    for (const [operation, { title }] of Object.entries(rawOperations)) {
      for (const threads of threadCounts) {
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
  if (!cOperations.includes(order.operation)) return undefined
  bench.begin(`raw: ${order.operation}, ${order.threads} threads, from C`, order.forMs)
  await bench.quiet()
  const { rate, cpuMs } = await runLimit(program, bench.rawToken, order)
  return { rateInC: rate, cpuMsInC: cpuMs }
}
