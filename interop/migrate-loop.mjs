#!/usr/bin/env node
/**
 * `npm run migrate-loop -- ROUNDS`: each round moves every deposit (to another HSM, scope or kind, out of the HSM, into it,
 * or under new keys) and ends that by `finish` or `rollback`; both halves are disturbed, by SIGKILL at a named step or by
 * something that happens to services, HSM hosts and commands at any moment. Puts, gets and purges go on meanwhile. After
 * each round every deposit must give back its bytes, and every form that was stored must have been opened before. Ends
 * with `rounds N, lost 0, unverified 0, each step hit: …`; fails unless each step was hit, with few ROUNDS each of their steps.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { migrationSteps, newUuid, resealSteps } from '@keyhsm/core'
import { listMigrationsRoute, orderMigrationRoute, startMigrationRoute } from '@keyhsm/protocol'
import { runMain, Stop } from '../scripts/lib/say.mjs'
import { openAdministrator } from './lib/administrator.mjs'
import { leastHit, prepareCrashes, restartKilled } from './lib/crashes.mjs'
import { Disturbances, happenings } from './lib/disturbances.mjs'
import { MovingLoad } from './lib/moving-load.mjs'
import { patiently } from './lib/patiently.mjs'
import { Progress } from './lib/progress.mjs'
import { softhsmModule, Stack } from './lib/stack.mjs'
import { findUnverified, markNow } from './lib/verified-forms.mjs'

const rounds = Number(process.argv[2] ?? 100)
const patienceMs = 60_000

// Of those met equally often the first comes next: a rollback only when it is behind.
const endSteps = ['migrate:revoked', 'migrate:dropped', 'migrate:swapped-back']
const moveSteps = [...migrationSteps.filter((step) => !endSteps.includes(step)), ...resealSteps]
const everyStep = [...moveSteps, ...endSteps, ...happenings]
/** Rounds in which each step comes at least once. */
const enoughForAll = 20

/** Moved one after the other, round by round; one that was rolled back is gone again. Each leaves something to move to the next. */
const legs = [
  { to: 'second', scope: 'deposit' },
  { to: 'pass-through', understood: true },
  { from: 'pass-through', to: 'second', scope: 'organisation' },
  { to: 'default', scope: 'service', kind: 'aes-256' },
  { reseal: true },
  { to: 'second', scope: 'service', kind: 'ec-p256' },
]

const resting = new Set(['paused', 'moved', 'finished', 'rolled-back'])
const ended = new Set(['finished', 'rolled-back'])

await runMain(async () => {
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Stop('migrate-loop: ROUNDS must be a number of at least 1', 2)
  const stack = await Stack.create()
  try {
    const crash = prepareCrashes(stack)
    await bringUp(stack)
    return await migrateLoop(stack, new Disturbances(stack, crash))
  } finally {
    await stack.remove()
  }
})

/** A product with a second HSM that may also keep deposits unsealed. */
async function bringUp(stack) {
  await stack.bringUp()
  await stack.makeFurtherToken('second')
  await stack.run(
    `keyhsm setup softhsm --backend second --library ${softhsmModule} --token-label second --pin-file ${stack.pinFile}`,
  )
  await stack.run('keyhsm reload')
  const settings = join(stack.home, 'keytrustee/keytrustee.properties')
  appendFileSync(settings, 'keytrustee.sealing=pass-through\n')
  await stack.run('keytrustee-server stop')
  await stack.run('keytrustee-server start')
}

async function migrateLoop(stack, disturbances) {
  const administrator = await openAdministrator(stack)
  const load = await MovingLoad.open(stack, administrator)
  const progress = new Progress('migrate-loop', rounds)
  const site = { stack, disturbances, administrator, load, leg: 0, tried: new Set() }
  const unverified = []
  try {
    for (let round = 0; round < rounds; round++) {
      unverified.push(...(await oneRound(site, round)))
      progress.step(`deposits ${load.size}, lost ${load.lost.length}`)
    }
    return await judge(site, unverified)
  } finally {
    await load.close()
    await administrator.close()
  }
}

/** @returns the forms that were stored without having been opened */
async function oneRound(site, round) {
  const { stack, load } = site
  const since = markNow(stack)
  const leg = legs[site.leg % legs.length]
  const back = round % 4 === 3 || nextAtEnd(site) === 'migrate:swapped-back'
  load.begin(round)
  await move(site, leg)
  const { unverified } = findUnverified(stack, since)
  await end(site, back ? 'rollback' : 'finish')
  if (!back) site.leg += 1
  await load.end()
  return [...unverified, ...findUnverified(stack, since).unverified]
}

/** Begins a leg, disturbed, and has it go on until everything is moved. */
async function move(site, leg) {
  const { administrator } = site
  const sealed = leg.from !== 'pass-through' && leg.to !== 'pass-through'
  const steps = moveSteps.filter((step) => sealed || !resealSteps.includes(step))
  const last = (await newest(site))?.uuid
  const begin = () =>
    administrator.call(startMigrationRoute, { body: { ...leg, requestId: newUuid() } })
  await disturb(site, [...steps, ...happenings], { act: begin, leg })
  for (let tries = 0; (await newest(site))?.uuid === last; tries++) {
    if (tries > 5) throw new Stop('migrate-loop: the migration never began')
    await begin().catch(() => pause(200))
  }
  await until(site, ({ state }) => state === 'moved')
  if ((await newest(site)).total === 0)
    throw new Stop(`migrate-loop: nothing was left to move: ${JSON.stringify(leg)}`)
}

/** Ends it, disturbed. */
async function end(site, act) {
  const steps = endSteps.filter((step) => act === 'rollback' || step !== 'migrate:swapped-back')
  await disturb(site, [...steps, ...happenings], { act: () => order(site, act), verb: act })
  // It may have fallen before it was ordered.
  if ((await newest(site)).state === 'moved') await order(site, act)
  await until(site, ({ state }) => ended.has(state))
}

/** Has `act` done while what was met least often happens, and then brings back what fell. */
async function disturb(site, candidates, { act, ...command }) {
  const { stack, disturbances } = site
  const what = leastHit(candidates, disturbances.hits())
  site.tried.add(what)
  await disturbances.during(what, { act, ...command }, async () => {
    const { migrations } = await site.administrator
      .call(listMigrationsRoute)
      .catch(() => ({ migrations: [] }))
    return migrations.length > 0 && resting.has(migrations[0].state)
  })
  await restartKilled(stack)
}

function nextAtEnd({ disturbances }) {
  return leastHit(endSteps, disturbances.hits())
}

function order({ administrator }, act) {
  return administrator.call(orderMigrationRoute, { body: { requestId: newUuid(), act } })
}

async function newest({ administrator }) {
  const { migrations } = await patiently(() => administrator.call(listMigrationsRoute))
  return migrations[0]
}

async function until(site, holds) {
  const deadline = Date.now() + patienceMs
  let seen
  while (Date.now() < deadline) {
    seen = await newest(site)
    if (holds(seen)) return
    await pause(25)
  }
  throw new Stop(`migrate-loop: it never came to its end: ${JSON.stringify(seen)}`)
}

async function judge({ stack, disturbances, load, tried }, unverified) {
  const hits = disturbances.hits()
  const count = (step) => hits.filter((hit) => hit === step).length
  const wanted = rounds >= enoughForAll ? everyStep : [...tried]
  const missed = wanted.filter((step) => count(step) === 0)
  for (const line of [...load.lost, ...unverified]) console.log(line)
  const audits = await Promise.all(
    ['keyhsm audit verify', 'ktadmin audit verify'].map((command) =>
      stack.run(command, { exit: 'any', quiet: true }),
    ),
  )
  const verified = audits.every(({ exit }) => exit === 0)
  const failed = verified ? '' : audits.map(({ stdout, stderr }) => stdout + stderr).join('\n')
  console.log(`audits: ${verified ? 'verified' : `FAILED\n${failed}`}`)
  console.log(`meanwhile: puts ${load.puts}, gets ${load.gets}, purges ${load.purges}`)
  const each = wanted.map((step) => `${step} ${count(step)}`).join(', ')
  console.log(
    `rounds ${rounds}, lost ${load.lost.length}, unverified ${unverified.length}, each step hit: ${each}`,
  )
  const good = load.lost.length + unverified.length + missed.length === 0 && verified
  return good && load.puts > 0 && load.gets > rounds ? 0 : 1
}
