/** Killing the services of a stack at named steps or at any moment, and starting them again. */
import { randomInt } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../scripts/lib/sources.mjs'

const services = ['keyhsm', 'keytrustee-server']

/** Call before the services are started: they then watch for the step that is armed (crash-at.mjs). */
export function prepareCrashes(stack) {
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

/** The one of `steps` that was hit least: one that was armed and not reached comes again. */
export function leastHit(steps, hits) {
  const count = (step) => hits.filter((hit) => hit === step).length
  return steps.toSorted((a, b) => count(a) - count(b))[0]
}

/** From the pid file, whose first line is the bare pid; a command for each look would cost more than the round. */
export function pidOf(stack, service) {
  const folder = service === 'keyhsm' ? 'keyhsm' : 'keytrustee'
  try {
    const [pid] = readFileSync(join(stack.home, folder, 'run', `${service}.pid`), 'utf8').split(
      '\n',
    )
    // A killed process that nobody has waited for yet is dead all the same.
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.[0]
    // Of one that was killed the file stays, and its pid may be somebody else's by now.
    if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(stack.home)) return undefined
    return state === 'Z' || state === 'X' ? undefined : Number(pid)
  } catch {
    return undefined
  }
}

/** Starts what does not run. */
export async function restartKilled(stack) {
  for (const service of services) {
    if (pidOf(stack, service) === undefined) await stack.run(`${service} start`, { quiet: true })
  }
}

/** Kills a service, or one of the processes that hold its HSMs' libraries. @returns whether there was one to kill */
export function kill(stack, who, signal = 'SIGKILL') {
  const pid = who === 'HSM host' ? randomHost(stack) : pidOf(stack, who)
  if (pid === undefined) return false
  process.kill(pid, signal)
  return true
}

function randomHost(stack) {
  const parent = pidOf(stack, 'keyhsm')
  if (parent === undefined) return undefined
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').split(' ')
  const hosts = children.filter(Boolean).map(Number)
  return hosts[randomInt(hosts.length || 1)]
}
