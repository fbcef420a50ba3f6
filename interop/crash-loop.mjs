#!/usr/bin/env node
/**
 * `npm run crash-loop -- ROUNDS`: kills Key HSM or the Trustee Server with SIGKILL at each named step between the making
 * of an HSM key and the acknowledgement of a deposit, and at random moments; after each the service starts again. At the
 * end every acknowledged deposit comes back, orphaned HSM keys are listed, both audits verify. Fails unless each step was hit.
 */
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { depositSteps } from '@keyhsm/core'
import { runMain, Stop } from '../scripts/lib/say.mjs'
import { root } from '../scripts/lib/sources.mjs'
import { Progress } from './lib/progress.mjs'
import { Stack } from './lib/stack.mjs'
import { openTrustee } from './lib/trustee.mjs'

const rounds = Number(process.argv[2] ?? 100)
const concurrency = 3

await runMain(async () => {
  if (!Number.isInteger(rounds) || rounds < depositSteps.length) {
    throw new Stop(`crash-loop: ROUNDS must be a number of at least ${depositSteps.length}`, 2)
  }
  const stack = await Stack.create()
  try {
    return await crashLoop(stack)
  } finally {
    await stack.remove()
  }
})

async function crashLoop(stack) {
  const crash = prepareCrashes(stack)
  await stack.bringUp()
  const { trustee, transport } = await openTrustee(stack)
  const acknowledged = new Map()
  const progress = new Progress('crash-loop', rounds)
  try {
    for (let round = 0; round < rounds; round++) {
      await oneRound(stack, { crash, trustee, acknowledged, round })
      progress.step(`acknowledged ${acknowledged.size}`)
    }
    return await judge(stack, { crash, trustee, acknowledged })
  } finally {
    await transport.destroy()
  }
}

function prepareCrashes(stack) {
  const folder = join(stack.home, 'crash')
  mkdirSync(folder)
  chmodSync(folder, 0o777)
  // The users of both services write it.
  writeFileSync(join(folder, 'hits'), '')
  chmodSync(join(folder, 'hits'), 0o666)
  const preload = join(stack.home, 'crash-at.mjs')
  copyFileSync(join(root, 'interop/lib/crash-at.mjs'), preload)
  Object.assign(stack.env, { KEYHSM_CRASH_DIR: folder, NODE_OPTIONS: `--import ${preload}` })
  Object.assign(stack.shell.env, stack.env)
  return {
    arm: (step) => writeFileSync(join(folder, 'armed'), step, { mode: 0o666 }),
    disarm: () => rmSync(join(folder, 'armed'), { force: true }),
    hits: () => readHits(join(folder, 'hits')),
  }
}

function readHits(file) {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean)
  } catch {
    return []
  }
}

/** The step that was hit least: one that was armed and not reached comes again. */
function leastHit(hits) {
  const count = (step) => hits.filter((hit) => hit === step).length
  return depositSteps.toSorted((a, b) => count(a) - count(b))[0]
}

/** One deposit in peace, then each step in turn, every third round a random moment instead. */
async function oneRound(stack, { crash, trustee, acknowledged, round }) {
  const atRandom = round % 3 === 2
  const step = leastHit(crash.hits())
  await putOne(trustee, acknowledged, `r${round}-calm`)
  if (!atRandom) crash.arm(step)
  const puts = Array.from({ length: concurrency }, (_, index) =>
    putOne(trustee, acknowledged, `r${round}-${index}`),
  )
  if (atRandom) await killAtRandom(stack, round)
  await Promise.all(puts)
  crash.disarm()
  await restart(stack)
}

/** A put that was answered is acknowledged; one that failed may or may not be there. */
async function putOne(trustee, acknowledged, handle) {
  const content = randomBytes(200 + (handle.length % 7))
  try {
    await trustee.put({ handle, content, condition: 'absent' })
    acknowledged.set(handle, digest(content))
  } catch {
    // not acknowledged: nothing is claimed about it
  }
}

async function killAtRandom(stack, round) {
  await new Promise((resolve) => setTimeout(resolve, randomInt(60)))
  const service = round % 2 === 0 ? 'keyhsm' : 'keytrustee-server'
  const pid = pidOf(stack, service)
  if (pid) process.kill(pid, 'SIGKILL')
}

/** From the pid file, whose first line is the bare pid; a command for each look would cost more than the round. */
function pidOf(stack, service) {
  const folder = service === 'keyhsm' ? 'keyhsm' : 'keytrustee'
  try {
    const [pid] = readFileSync(join(stack.home, folder, 'run', `${service}.pid`), 'utf8').split(
      '\n',
    )
    // A killed process that nobody has waited for yet is dead all the same.
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.[0]
    return state === 'Z' || state === 'X' ? undefined : Number(pid)
  } catch {
    return undefined
  }
}

async function restart(stack) {
  for (const service of ['keyhsm', 'keytrustee-server']) {
    if (pidOf(stack, service) === undefined) await stack.run(`${service} start`, { quiet: true })
  }
}

async function judge(stack, { crash, trustee, acknowledged }) {
  let lost = 0
  for (const [handle, expected] of acknowledged) {
    const back = await trustee.get(handle).then(
      ({ content }) => digest(content),
      (error) => String(error.code),
    )
    if (back !== expected) {
      lost += 1
      console.log(`lost: ${handle} (${back})`)
    }
  }
  const orphans = await stack.run('ktadmin hsm-keys prune --json', { exit: 'any', quiet: true })
  const audits = await Promise.all(
    ['keyhsm audit verify', 'ktadmin audit verify'].map((command) =>
      stack.run(command, { exit: 'any', quiet: true }),
    ),
  )
  const hits = crash.hits()
  const missed = depositSteps.filter((step) => !hits.includes(step))
  for (const step of depositSteps)
    console.log(`${step.padEnd(22)} hit ${hits.filter((hit) => hit === step).length}`)
  console.log(
    `rounds ${rounds}, acknowledged ${acknowledged.size}, lost ${lost}, steps missed ${missed.length}`,
  )
  console.log(`orphaned HSM keys listed: ${countOrphans(orphans)}`)
  console.log(
    `audits: ${audits.map((audit) => (audit.exit === 0 ? 'verified' : 'FAILED')).join(', ')}`,
  )
  for (const audit of audits.filter(({ exit }) => exit !== 0))
    console.log(audit.stdout + audit.stderr)
  const good =
    lost === 0 &&
    missed.length === 0 &&
    orphans.exit === 0 &&
    audits.every(({ exit }) => exit === 0)
  return good && acknowledged.size > 0 ? 0 : 1
}

function countOrphans(result) {
  if (result.exit !== 0) return `FAILED ${result.stderr}`
  return JSON.parse(result.stdout).report?.keys.length ?? 'FAILED'
}

function digest(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}
