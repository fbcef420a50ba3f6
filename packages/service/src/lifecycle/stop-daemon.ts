/** Signals a service through its pid file, never another process that got the same number. */
import { setTimeout as pause } from 'node:timers/promises'
import { DomainError } from '@keyhsm/core'
import { systemCode } from '../file-errors.js'
import { type ProcessIdentity, isAlive, readPidFile } from './pid-file.js'

export interface SignalOptions {
  readonly name: string
  readonly pidFile: string
}

export interface StopOptions extends SignalOptions {
  /** How long the service may take before it is killed. */
  readonly timeoutMs: number
  /** Asks the service itself to stop; when that fails it gets SIGTERM. */
  readonly ask?: () => Promise<unknown>
}

export type StopOutcome = 'stopped' | 'not-running' | 'killed'

const lookEveryMs = 25
const killedWithinMs = 5_000

function findRunning(pidFile: string): ProcessIdentity | undefined {
  const identity = readPidFile(pidFile)
  return identity && isAlive(identity) ? identity : undefined
}

function signalProcess(name: string, identity: ProcessIdentity, signal: NodeJS.Signals): void {
  try {
    process.kill(identity.pid, signal)
  } catch (error) {
    if (systemCode(error) === 'ESRCH') return
    throw new DomainError('ERR_NOT_ALLOWED', `${name} belongs to another user`, { cause: error })
  }
}

async function isGoneWithin(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (isAlive(identity)) {
    if (performance.now() >= deadline) return false
    await pause(lookEveryMs)
  }
  return true
}

/**
 * Asks the service to stop (by its own interface where `ask` is given, else by SIGTERM) and kills it when it has not after `timeoutMs`.
 * @throws ERR_NOT_ALLOWED when it is another user's; ERR_UNAVAILABLE when not even SIGKILL ended it (a process that
 * hangs in the kernel).
 */
export async function stopDaemon(o: StopOptions): Promise<StopOutcome> {
  const identity = findRunning(o.pidFile)
  if (identity === undefined) return 'not-running'
  const asked = await (o.ask?.() ?? Promise.reject(new Error('nobody to ask'))).then(
    () => true,
    () => false,
  )
  if (!asked) signalProcess(o.name, identity, 'SIGTERM')
  if (await isGoneWithin(identity, o.timeoutMs)) return 'stopped'
  signalProcess(o.name, identity, 'SIGKILL')
  if (await isGoneWithin(identity, killedWithinMs)) return 'killed'
  throw new DomainError('ERR_UNAVAILABLE', `${o.name} (pid ${identity.pid}) cannot be ended`)
}

/** Asks the service to reload (SIGHUP); what comes of it is in its log. False when it does not run. */
export function reloadDaemon(o: SignalOptions): boolean {
  const identity = findRunning(o.pidFile)
  if (identity !== undefined) signalProcess(o.name, identity, 'SIGHUP')
  return identity !== undefined
}
