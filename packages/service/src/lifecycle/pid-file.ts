/**
 * The file that says which process a service is: its pid in the first line, then the start time and the boot it belongs
 * to, so that another process that got the same pid is never taken for it. The holder keeps the file locked.
 */
import { readFileSync } from 'node:fs'
import { type FileHandle, rm } from 'node:fs/promises'
import { basename } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { lockFile } from './file-lock.js'

/** A process by more than its number. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks after boot, field 22 of /proc/pid/stat. @see proc(5) */
  readonly startTicks: string
  readonly boot: string
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function readBootId(): string {
  return readText('/proc/sys/kernel/random/boot_id')?.trim() ?? 'unknown'
}

/** Undefined when there is no such process, or only what is left of it for its parent to collect. */
export function findProcess(pid: number): ProcessIdentity | undefined {
  const text = readText(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  // The name in parentheses may itself hold spaces and parentheses; fields count from the last one. @see proc(5)
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, startTicks] = [fields[0], fields[19]]
  if (startTicks === undefined || state === 'Z' || state === 'X') return undefined
  return { pid, startTicks, boot: readBootId() }
}

/** True while exactly this process, not a later one of the same number, exists. */
export function isAlive(identity: ProcessIdentity): boolean {
  const found = findProcess(identity.pid)
  return found?.startTicks === identity.startTicks && found.boot === identity.boot
}

function formatPidFile(identity: ProcessIdentity): string {
  return `${identity.pid}\nstart ${identity.startTicks}\nboot ${identity.boot}\n`
}

/** The process a pid file names, whether it lives or not; undefined when there is no readable one. */
export function readPidFile(path: string): ProcessIdentity | undefined {
  const match = /^(\d{1,10})\nstart (\d+)\nboot (\S+)\n$/.exec(readText(path) ?? '')
  if (!match?.[1] || !match[2] || !match[3]) return undefined
  return { pid: Number(match[1]), startTicks: match[2], boot: match[3] }
}

/** Whether the service of this pid file runs. */
export function daemonState(pidFile: string): { running: boolean; pid?: number } {
  const identity = readPidFile(pidFile)
  return identity && isAlive(identity) ? { running: true, pid: identity.pid } : { running: false }
}

/** `<name> is already running`, for who asked to start it. */
export function alreadyRunning(name: string, pidFile: string): DomainError {
  const { pid } = daemonState(pidFile)
  const who = pid === undefined ? '' : ` (pid ${pid})`
  return new DomainError('ERR_ALREADY_EXISTS', `${name} is already running${who}`)
}

/** A held pid file; {@link HeldPidFile.release} removes it. */
export interface HeldPidFile {
  release(): Promise<void>
}

async function writeIdentity(handle: FileHandle, text: string): Promise<void> {
  await handle.truncate(0)
  await handle.write(text, 0)
}

/**
 * Makes this process the service of `path`.
 * @throws ERR_ALREADY_EXISTS when another one is; ERR_NOT_ALLOWED, ERR_NOT_FOUND when the file cannot be made.
 */
export async function holdPidFile(name: string, path: string): Promise<HeldPidFile> {
  const handle = await lockFile(path, `the pid file ${basename(path)}`)
  if (handle === undefined) throw alreadyRunning(name, path)
  const self = findProcess(process.pid)
  if (self === undefined) {
    await handle.close()
    throw new DomainError('ERR_UNAVAILABLE', '/proc is not mounted')
  }
  await writeIdentity(handle, formatPidFile(self))
  return {
    // Removed while still locked: who opened it meanwhile sees that it is no longer the named one.
    release: async () => {
      await rm(path, { force: true })
      await handle.close().catch(() => undefined)
    },
  }
}
