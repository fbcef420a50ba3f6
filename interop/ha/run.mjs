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
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runMain, Stop } from '../../scripts/lib/say.mjs'
import { kinds } from './faults.mjs'
import { checkHistory, findLost } from './history.mjs'
import { Installation } from './installation.mjs'
import { whyNoNamespaces } from './network.mjs'

const registers = 6
/** As keytrustee.standby.max-staleness is by default, and what a busy machine adds. */
const maxStalenessMs = 30_000 + 2_000
/** Longer without a put after all is mended, and the installation has not recovered. */
const recoverMs = 90_000

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
  const workers = await startWorkers(installation)
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
  const finals = await readFinals(installation)
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

/** Waits for a put that began after now. @returns how long it took, in ms */
async function acknowledged(workers, after) {
  const began = now()
  while (now() - began < recoverMs) {
    const done = workers.operations.findLast(
      ({ kind, outcome }) => kind === 'put' && outcome === 'ok',
    )
    if (done && done.start >= began) return done.end - began
    if (workers.failed) throw new Error(`a client ended: ${workers.failed}`)
    await pause(200)
  }
  throw new Stop(`ha: no put is acknowledged ${recoverMs / 1000} s after: ${after}`)
}

async function startWorkers({ clients, client, network, servers, home }) {
  const urls = servers.map(({ url }) => url).join(',')
  const operations = []
  const state = { operations, failed: undefined }
  const children = clients.map((name, index) => {
    const folder = join(home, name)
    cpSync(client, folder, { recursive: true })
    const [command, ...args] = network.on(name)
    const script = [
      fileURLToPath(new URL('worker.mjs', import.meta.url)),
      folder,
      urls,
      String(index),
      String(registers),
    ]
    const child = spawn(command, [...args, process.execPath, ...script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    createInterface({ input: child.stdout }).on('line', (line) => operations.push(JSON.parse(line)))
    child.on('exit', (code) => {
      if (code !== 0) state.failed = `${name} with ${code}`
    })
    return child
  })
  state.stop = () =>
    Promise.all(
      children.map((child) => {
        const ended = new Promise((resolve) => child.on('close', resolve))
        child.stdin.end()
        return ended
      }),
    )
  state.kill = () => children.forEach((child) => child.kill('SIGKILL'))
  children.forEach((child) => process.once('exit', () => child.kill('SIGKILL')))
  return state
}

/** What every register holds in the end, asked of every server. */
async function readFinals({ servers, client }) {
  const finals = []
  for (const server of servers) {
    for (let register = 0; register < registers; register += 1) {
      const key = `register-${register}`
      const start = now()
      const home = join(client, '..')
      const command = `keytrustee get ${key} --no-seal --home ${home}`
      const { stdout, exit } = await server.run(command, { exit: 'any', quiet: true })
      if (exit === 0) finals.push({ key, value: stdout, start })
    }
  }
  return finals
}

/** The same clock as the clients'. */
function now() {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}
