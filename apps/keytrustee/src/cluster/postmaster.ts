/** The running server as its pid file and /proc show it. A pid alone proves nothing: it may belong to somebody else by now. */
import { readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { isAbsent } from './files.js'

export interface Postmaster {
  readonly pid: number
  /** Part of the socket's name; an operator's setting may have changed it. */
  readonly port: number | undefined
  readonly socketDirectory: string | undefined
  /** Its own word: `ready`, `starting`, `stopping`, `standby`. */
  readonly status: string | undefined
}

/** @see PostgreSQL 15 src/include/utils/pidfile.h: the lines of postmaster.pid */
const line = { pid: 0, port: 3, socketDirectory: 4, status: 7 } as const

/** What the pid file says, whoever has that pid now; undefined when there is none or it holds no pid. */
export async function readPidFile(data: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch((error: unknown) => {
    if (isAbsent(error)) return ''
    throw error
  })
  return parsePidFile(text)
}

export function parsePidFile(text: string): Postmaster | undefined {
  const lines = text.split('\n').map((words) => words.trim())
  const pid = Math.abs(Number(lines[line.pid]))
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined
  return {
    pid,
    port: Number(lines[line.port]) || undefined,
    socketDirectory: lines[line.socketDirectory] || undefined,
    status: lines[line.status] || undefined,
  }
}

/** The live postmaster of this data directory, an orphan of a crashed supervisor included. */
export async function findPostmaster(data: string): Promise<Postmaster | undefined> {
  const recorded = await readPidFile(data)
  if (!recorded || !(await worksIn(recorded.pid, data))) return undefined
  return recorded
}

/**
 * The pid in the pid file when a process has it that is not the postmaster: another program after a reboot, or a zombie
 * that nobody collected. PostgreSQL would take it for a live server and refuse to start.
 */
export async function findImpostor(data: string): Promise<number | undefined> {
  const recorded = await readPidFile(data)
  if (!recorded || (await worksIn(recorded.pid, data))) return undefined
  return isTaken(recorded.pid) ? recorded.pid : undefined
}

/** A zombie counts. */
export function isTaken(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Backends and auxiliary processes that outlived their postmaster: they end by themselves, but hold the shared memory until then. */
export async function findLeftovers(data: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  const found: number[] = []
  for (const pid of pids.map(Number))
    if (pid !== process.pid && (await worksIn(pid, data)) && (await isPostgres(pid)))
      found.push(pid)
  return found
}

/** Every process of PostgreSQL has its data directory as working directory. A zombie has none. */
async function worksIn(pid: number, data: string): Promise<boolean> {
  try {
    return (await readlink(`/proc/${pid}/cwd`)) === (await realpath(data))
  } catch {
    return false
  }
}

async function isPostgres(pid: number): Promise<boolean> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
  return name.trim() === 'postgres'
}
