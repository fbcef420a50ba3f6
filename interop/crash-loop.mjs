#!/usr/bin/env node
/**
 * `npm run crash-loop -- ROUNDS`: kills Key HSM or the Trustee Server with SIGKILL at each named step between the making
 * of an HSM key and the acknowledgement of a deposit, and at random moments; after each the service starts again. At the
 * end every acknowledged deposit comes back, orphaned HSM keys are listed, both audits verify. Fails unless each step was hit.
 */
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { depositSteps } from '@keyhsm/core'
import { runMain, Stop } from '../scripts/lib/say.mjs'
import { leastHit, pidOf, prepareCrashes, restartKilled } from './lib/crashes.mjs'
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
    // A put that met a service on its way up has reached no step: few rounds may leave one that none was killed at.
    for (let round = rounds; round < 2 * rounds && missedOf(crash).length > 0; round++)
      await oneRound(stack, { crash, trustee, acknowledged, round })
    return await judge(stack, { crash, trustee, acknowledged })
  } finally {
    await transport.destroy()
  }
}

/** One deposit in peace, then each step in turn, every third round a random moment instead. */
async function oneRound(stack, { crash, trustee, acknowledged, round }) {
  const atRandom = round % 3 === 2
  const step = leastHit(depositSteps, crash.hits())
  await putOne(trustee, acknowledged, `r${round}-calm`)
  if (!atRandom) crash.arm(step)
  const puts = Array.from({ length: concurrency }, (_, index) =>
    putOne(trustee, acknowledged, `r${round}-${index}`),
  )
  if (atRandom) await killAtRandom(stack, round)
  await Promise.all(puts)
  crash.disarm()
  await restartKilled(stack)
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
  const missed = missedOf(crash)
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

function missedOf(crash) {
  const hits = crash.hits()
  return depositSteps.filter((step) => !hits.includes(step))
}

function countOrphans(result) {
  if (result.exit !== 0) return `FAILED ${result.stderr}`
  return JSON.parse(result.stdout).report?.keys.length ?? 'FAILED'
}

function digest(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}
