#!/usr/bin/env node
/**
 * `npm run fail-over`: two server pairs, a primary and a synchronous standby of PostgreSQL and a client, each on a machine of
 * its own (a network namespace), told once from beginning to end:
 *
 * 0. every server puts where a migration on the first says: to another scope, out of the HSM, and back by a rollback;
 * 1. a server that reaches only the standby refuses a client that was disabled elsewhere, within max-staleness;
 * 2. cut off from the primary, the standby's server serves nothing once max-staleness is over;
 * 3. the primary is killed, the standby promoted: both servers follow within 5 s, without a restart;
 * 4. every put that was acknowledged meanwhile is there, and nobody read what cannot have been;
 * 5. a server that is killed is missed, until it is back;
 * 6. a server that is removed serves nothing, and does not come back by itself;
 * 7. without a standby that confirms, the status is red and promises nothing.
 *
 * The alerts of docs/operations/alerts.md about the database's copies are fired by it. `npm run ha` does the same at random,
 * with three servers and for longer.
 *
 *   node interop/fail-over.mjs [--report FILE] [--verbose]
 *
 * Needs root for the namespaces; without them it prints SKIPPED with the reason, and counts so.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { runMain } from '../scripts/lib/say.mjs'
import { root } from '../scripts/lib/sources.mjs'
import { followDirections } from './ha/directions.mjs'
import { checkHistory, findLost } from './ha/history.mjs'
import { Installation } from './ha/installation.mjs'
import { whyNoNamespaces } from './ha/network.mjs'
import { acknowledged, now, readFinals, startWorkers } from './ha/workers.mjs'
import { AlertWatch, alertsFiredBy } from './lib/alert-watch.mjs'

const registers = 2
const maxStalenessMs = 5_000
/** What a look once a second and a busy machine add. */
const slackMs = 2_500
const followMs = 5_000
const monitoringPort = 11_372
const nodeGone = 'KeytrusteeNodeGone'

const names = { servers: ['n1', 'n2'], databases: ['db1', 'db2'], clients: ['c1'] }
const settings = {
  'keytrustee.standby.max-staleness': `${maxStalenessMs / 1000}s`,
  'keytrustee.monitoring.port': String(monitoringPort),
  // For the way out of the HSM; once joined, nothing passes through by it.
  'keytrustee.sealing': 'pass-through',
}

await runMain(async () => {
  const { values } = parseArgs({
    options: { report: { type: 'string' }, verbose: { type: 'boolean', default: false } },
  })
  const count = (counted) => {
    const all = { passed: 0, failed: 0, skipped: 0, ...counted }
    if (values.report) writeFileSync(join(root, values.report), JSON.stringify(all))
  }
  const why = whyNoNamespaces()
  if (why !== undefined) {
    say(`SKIPPED: ${why}`)
    count({ skipped: 1 })
    return 0
  }
  const installation = new Installation(values.verbose ? console.log : undefined, {
    names,
    settings,
  })
  try {
    await installation.make()
    await run(installation)
    count({ passed: 1 })
    return 0
  } finally {
    await installation.remove()
  }
})

async function run(installation) {
  const watch = new AlertWatch(
    Object.fromEntries(
      installation.servers.map((server) => [server.name, () => readMetrics(server)]),
    ),
  )
  const other = await registerAt(installation, installation.servers[1])
  const workers = await startWorkers(installation, registers)
  await acknowledged(workers, 'the first put')
  const followedMs = await followDirections(installation, other.folder)
  say(`a put followed a migration on the other server within ${seconds(followedMs)}`)
  const alerts = alertsFiredBy('fail-over').filter((name) => name !== nodeGone)
  const fired = await watch.begin(alerts)
  await disableElsewhere(installation, other)
  await cutStandby(installation)
  await Promise.all([fired(), failOver(installation)])
  say(`recovered ${seconds(await acknowledged(workers, 'the fail-over'))} after it`)
  await watch.end(alerts)
  await workers.stop()
  await judge(installation, workers)
  await loseNode(installation, watch)
  await removeNode(installation)
  await loseThePromise(installation, watch)
  say(`alerts fired: ${[...alerts, nodeGone].join(', ')}`)
}

/** A second client, which knows this server alone. */
async function registerAt({ servers: [first], home }, server) {
  const folder = join(home, 'other')
  await server.run(
    `keytrustee register --home ${folder} --server ${server.url} --server-fingerprint ${server.fingerprint} --org demo --auth-file ${join(first.home, 'auth')} --clientname other`,
  )
  const get = () => server.run(`keytrustee get mine --home ${folder}`, { exit: 'any', quiet: true })
  await server.run(`keytrustee put mine /etc/hostname --home ${folder}`)
  const { stdout } = await server.run(`keytrustee status --home ${folder} --json`)
  return { folder, get, uuid: JSON.parse(stdout).client }
}

/** The second server reaches only the standby, which still gets everything. */
async function disableElsewhere({ network, databases, servers: [first, second] }, { get, uuid }) {
  network.part([second.name], [databases.primary])
  await until('the second server reads from the standby', 10_000, async () => {
    return (await modeOf(second)) === 'reader'
  })
  expect(await get(), 0, 'a retrieval through the standby')
  await first.run(`ktadmin client disable ${uuid}`)
  const tookMs = await until(
    'the disabled client is refused',
    maxStalenessMs + slackMs,
    async () => {
      return (await get()).exit === 77
    },
  )
  say(`a client disabled on the primary is refused through the standby after ${seconds(tookMs)}`)
  await first.run(`ktadmin client enable ${uuid}`)
}

/** The second server still reaches the standby, which hears nothing any more. */
async function cutStandby({ network, databases, servers: [, second] }) {
  network.part([databases.primary], [databases.standby])
  const tookMs = await until('nothing is served', maxStalenessMs + slackMs, async () => {
    return (await modeOf(second)) === 'none'
  })
  say(
    `with a standby that hears nothing, the second server serves nothing after ${seconds(tookMs)}`,
  )
  if (tookMs < maxStalenessMs - slackMs) throw new Error('it should have served until then')
  network.heal()
}

async function failOver({ databases, servers }) {
  await until('both servers take writes again', 20_000, async () => {
    return (await Promise.all(servers.map(modeOf))).every((mode) => mode === 'writer')
  })
  const pids = servers.map((server) => server.pid('keytrustee-server'))
  const old = databases.primary
  await databases.kill(old)
  databases.promote()
  const tookMs = await until('both follow the new primary', followMs, async () => {
    return (await Promise.all(servers.map(timelineOf))).every((timeline) => timeline === 2)
  })
  say(`both servers follow ${databases.primary} ${seconds(tookMs)} after its promotion`)
  say(`${old} is its standby now, by ${databases.rebuild()}`)
  if (servers.some((server, index) => server.pid('keytrustee-server') !== pids[index]))
    throw new Error('a server was restarted')
}

async function judge(installation, { operations }) {
  const seen = operations.filter(({ outcome }) => outcome !== 'failed')
  const finals = await readFinals(installation, registers)
  if (finals.length < registers * installation.servers.length)
    throw new Error(`only ${finals.length} registers can be read`)
  const ended = now()
  const last = finals.map((final) => ({ ...final, kind: 'get', outcome: 'ok', end: ended }))
  const result = checkHistory([...seen, ...last], { maxStalenessMs: maxStalenessMs + 2_000 })
  const lost = findLost(seen, new Map(finals.map(({ key, value }) => [key, value])))
  const { acknowledged: done, unknown, violations } = result
  say(
    `acknowledged ${done}, unknown ${unknown}, lost ${lost.length}, violations ${violations.length}`,
  )
  for (const { key, why } of violations) say(`violation: ${key}: ${why}`)
  if (done === 0 || lost.length + violations.length > 0) throw new Error('deposits are not as told')
}

/** Killed, and silent for a minute: that minute is taken off what it wrote last. */
async function loseNode({ databases, servers: [first, second] }, watch) {
  const { stdout } = await first.run('ktadmin status', { exit: 'any', quiet: true })
  if (!/^key hsm of \S+: +ready: /m.test(stdout)) throw new Error(`no other Key HSM in:\n${stdout}`)
  const fired = await watch.begin([nodeGone])
  await second.kill('keytrustee-server')
  databases.ageBeats(second.url, 60)
  await fired()
  await second.start()
  await watch.end([nodeGone])
  say('a server that is killed is missed, until it is back')
}

/** The second server is taken for lost. */
async function removeNode({ servers: [first, second] }) {
  const { stdout } = await first.run('ktadmin nodes list --json', { quiet: true })
  const { node } = JSON.parse(stdout).find(({ url }) => url === second.url)
  await first.run(`ktadmin nodes remove --as $(id -un) ${node}`)
  await until('the removed server serves nothing', followMs, async () => {
    return (await modeOf(second)) === 'none'
  })
  const left = await first.run('ktadmin nodes list --as $(id -un)')
  if (left.stdout.includes(node)) throw new Error('the removed server is listed')
  say('a server that is removed serves nothing')
}

/** Two copies and nobody who confirms: decision 0102. */
async function loseThePromise({ databases, servers: [first] }, watch) {
  databases.forgetStandbys()
  await until('the alert', 10_000, async () => {
    return (await watch.crossed(['KeytrusteeMayLoseDeposits'])).length > 0
  })
  const status = await first.run('ktadmin status', { exit: 'any' })
  expect(status, 69, 'the status')
  if (!status.stdout.includes('NO PROMISE')) throw new Error(`no red status:\n${status.stdout}`)
  say('without a standby that confirms, the status is red')
}

function askMetrics(server, how) {
  const ask = `curl -s -f -m 4 http://127.0.0.1:${monitoringPort}/metrics`
  return server.run(ask, { quiet: true, ...how })
}

async function readMetrics(server) {
  return (await askMetrics(server)).stdout
}

/** Undefined without an answer in time: a look at a database that was just cut off takes as long as its connections do. */
async function findMetric(server, pattern) {
  const { exit, stdout } = await askMetrics(server, { exit: 'any' })
  return exit === 0 ? pattern.exec(stdout)?.[1] : undefined
}

function modeOf(server) {
  return findMetric(server, /^keytrustee_database_mode\{mode="(\w+)"\} 1$/m)
}

async function timelineOf(server) {
  return Number(await findMetric(server, /^keytrustee_database_timeline (\d+)$/m))
}

/** @returns ms until it held. */
async function until(what, limitMs, holds) {
  const began = now()
  for (;;) {
    if (await holds()) return now() - began
    if (now() - began > limitMs) throw new Error(`not within ${seconds(limitMs)}: ${what}`)
    await pause(100)
  }
}

function expect({ exit, stdout, stderr }, wanted, what) {
  if (exit !== wanted) throw new Error(`${what} ended with ${exit}: ${stdout}${stderr}`)
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`
}

function say(line) {
  console.log(line)
}
