#!/usr/bin/env node
/**
 * `npm run ha -- --minutes 20`: three server pairs, a primary and a standby of PostgreSQL and three clients, each on a machine
 * of its own (a network namespace). While the clients write and read registers, faults of every kind happen in turn; at
 * the end the history is judged: nothing that was acknowledged is lost, every read could have happened (history.mjs).
 *
 *   node interop/ha/run.mjs [--minutes N] [--verbose]
 *
 * Needs root for the namespaces; without them it says SKIPPED and exits with 1, because nothing passed.
 */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runMain, Stop } from '../../scripts/lib/say.mjs'
import { kinds } from './faults.mjs'
import { checkHistory, findLost } from './history.mjs'
import { Installation } from './installation.mjs'
import { whyNoNamespaces } from './network.mjs'
import { acknowledged, now, readFinals, startWorkers } from './workers.mjs'

const registers = 6
/** As keytrustee.standby.max-staleness is by default, and what a busy machine adds. */
const maxStalenessMs = 30_000 + 2_000

await runMain(async () => {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '20' },
      verbose: { type: 'boolean', default: false },
    },
  })
  const minutes = Number(values.minutes)
  if (!(minutes > 0 && minutes <= 24 * 60)) throw new Stop('ha: --minutes must be a number', 2)
  const why = whyNoNamespaces()
  if (why !== undefined) {
    console.log(`SKIPPED: ${why}`)
    return 1
  }
  const installation = new Installation(values.verbose ? console.log : undefined)
  try {
    await installation.make()
    return await run(installation, minutes)
  } finally {
    await installation.remove()
  }
})

async function run(installation, minutes) {
  const scene = { ...installation, note: (line) => console.log(`    ${line}`) }
  const workers = await startWorkers(installation, registers)
  await acknowledged(workers, 'the first put')
  const counts = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, 0]))
  const until = performance.now() + minutes * 60_000
  let longestMs = 0
  const interrupted = new AbortController()
  process.once('SIGINT', () => interrupted.abort())
  while (
    !interrupted.signal.aborted &&
    (performance.now() < until || Object.values(counts).includes(0))
  ) {
    const [kind] = Object.entries(counts).toSorted((a, b) => a[1] - b[1] || Math.random() - 0.5)[0]
    console.log(`${kind} at ${Math.round(now())}`)
    await kinds[kind](scene)
    counts[kind] += 1
    const tookMs = await acknowledged(workers, kind)
    longestMs = Math.max(longestMs, tookMs)
    console.log(`    puts are acknowledged ${(tookMs / 1000).toFixed(1)} s later`)
  }
  await workers.stop()
  const finals = await readFinals(installation, registers)
  return judge({ operations: workers.operations, finals, counts, longestMs })
}

function judge({ operations, finals, counts, longestMs }) {
  const seen = operations.filter(({ outcome }) => outcome !== 'failed')
  const ended = now()
  const last = finals.map((final) => ({ ...final, kind: 'get', outcome: 'ok', end: ended }))
  const result = checkHistory([...seen, ...last], { maxStalenessMs })
  const lost = findLost(seen, new Map(finals.map(({ key, value }) => [key, value])))
  for (const { key, why } of result.violations.slice(0, 20))
    console.log(`violation: ${key}: ${why}`)
  for (const { key, value } of lost.slice(0, 20)) console.log(`lost: ${key} ${value}`)
  if (result.violations.length + lost.length > 0) keep([...operations, ...last])
  const isolation = operations.filter(({ outcome }) => outcome === 'failed').length
  console.log(
    `faults: ${Object.entries(counts)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', ')}`,
  )
  console.log(
    `reads ${result.reads}, from a standby ${result.standbyReads}, refused operations ${isolation}`,
  )
  console.log(
    `longest time to an acknowledged put after mending ${(longestMs / 1000).toFixed(1)} s`,
  )
  console.log(
    `acknowledged ${result.acknowledged}, unknown ${result.unknown}, lost ${lost.length}, violations ${result.violations.length}`,
  )
  const enough = result.acknowledged > 0 && finals.length > 0 && !Object.values(counts).includes(0)
  return enough && lost.length === 0 && result.violations.length === 0 ? 0 : 1
}

/** For whoever looks for the cause. */
function keep(operations) {
  const file = join(mkdtempSync(join(tmpdir(), 'ha-history-')), 'history.jsonl')
  writeFileSync(file, `${operations.map((row) => JSON.stringify(row)).join('\n')}\n`)
  console.log(`the history is in ${file}`)
}
