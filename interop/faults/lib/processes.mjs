/** Processes of a stack, by the pid files of the services and by who is whose child. Only those are ever signalled. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from './case.mjs'

/** Pid of `keyhsm` or `keytrustee-server`, undefined when it does not run. */
export function pidOf(stack, service) {
  const file = {
    keyhsm: 'keyhsm/run/keyhsm.pid',
    'keytrustee-server': 'keytrustee/run/keytrustee-server.pid',
  }[service]
  return alivePidIn(join(stack.home, file))
}

/** The process that holds the HSM's library: Key HSM's one child. */
export function hostPidOf(stack) {
  return childrenOf(pidOf(stack, 'keyhsm'))[0]
}

/** The private cluster's postmaster. */
export function postmasterPidOf(stack) {
  return alivePidIn(join(stack.home, 'keytrustee/db/data/postmaster.pid'))
}

function alivePidIn(file) {
  try {
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10)
    return isAlive(pid) ? pid : undefined
  } catch {
    return undefined
  }
}

/** A zombie is not alive. */
export function isAlive(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2)[0] !== 'Z'
  } catch {
    return false
  }
}

export function childrenOf(pid) {
  if (pid === undefined) return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => parentOf(candidate) === pid && isAlive(candidate))
}

function parentOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined
  }
}

/** Sends `signal` and waits until the process is gone. */
export async function kill(pid, signal = 'SIGKILL') {
  process.kill(pid, signal)
  await until(() => !isAlive(pid), { what: `the end of ${pid}` })
}

/** What `stop` could not stop. */
export async function killLeftovers(stack) {
  const host = hostPidOf(stack)
  const pids = [
    pidOf(stack, 'keyhsm'),
    pidOf(stack, 'keytrustee-server'),
    postmasterPidOf(stack),
    host,
  ]
  for (const pid of pids) if (pid !== undefined && isAlive(pid)) await kill(pid)
}
