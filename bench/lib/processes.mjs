/** CPU time and memory of processes and of the whole machine, from /proc. */
import { readdirSync, readFileSync } from 'node:fs'

/** USER_HZ, which Linux fixes at 100 for /proc. */
const tickMs = 10

/** CPU milliseconds used so far: by each role's processes, and by everything on the machine. */
export function readCpu(roles) {
  const tree = readTree()
  const used = Object.fromEntries(
    Object.entries(roles).map(([role, pids]) => [role, sum(pids(tree), tree)]),
  )
  return { used, busyMs: readBusy(), at: performance.now() }
}

/** What was used between two readings: CPU ms a role, and the cores that others kept busy. */
export function betweenCpu(before, after) {
  const used = {}
  let own = 0
  for (const [role, ms] of Object.entries(after.used)) {
    used[role] = Math.max(0, ms - (before.used[role] ?? 0))
    own += used[role]
  }
  const wallMs = after.at - before.at
  const others = Math.max(0, after.busyMs - before.busyMs - own) / wallMs
  return { used, others, wallMs }
}

/** Every process: its parent and the CPU time it and its ended children used. */
function readTree() {
  const tree = new Map()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = readStat(name)
    if (!fields) continue
    const cpuMs = sumOf(fields.slice(11, 15)) * tickMs
    tree.set(Number(name), { parent: Number(fields[1]), cpuMs })
  }
  return tree
}

function sumOf(texts) {
  return texts.reduce((total, text) => total + Number(text), 0)
}

/** Fields of /proc/PID/stat after the name, which may hold anything. */
function readStat(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')
  } catch {
    return undefined
  }
}

function sum(pids, tree) {
  return pids.reduce((total, pid) => total + (tree.get(pid)?.cpuMs ?? 0), 0)
}

/** `pid` and everything below it. */
export function family(pid, tree) {
  const children = [...tree].filter(([, { parent }]) => parent === pid).map(([child]) => child)
  return [pid, ...children.flatMap((child) => family(child, tree))]
}

/** The processes directly below `pid`. */
export function childrenOf(pid) {
  return [...readTree()].filter(([, { parent }]) => parent === pid).map(([child]) => child)
}

/** CPU time of all cores but what they idled or were stolen. */
function readBusy() {
  const [user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softirq) * tickMs
}

/** Resident memory in MiB: now, at its highest, and the share that is the process's own (shared pages divided). */
export function readMemory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const mib = (text, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1]) / 1024
  return {
    residentMiB: mib(status, 'VmRSS'),
    highestMiB: mib(status, 'VmHWM'),
    proportionalMiB: mib(rollup, 'Pss'),
  }
}

/** The command line of `pid`; empty when there is no such process. */
export function commandOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

/** Milliseconds since `pid` was started; the kernel counts in hundredths of a second. */
export function ageMs(pid) {
  const started = Number(readStat(pid)[19]) * tickMs
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000
  return uptime - started
}
