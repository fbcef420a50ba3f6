/** Tells systemd what a service does, when systemd asked for it (`Type=notify`, `NotifyAccess=all`). */
import { spawn } from 'node:child_process'

/**
 * `assignments` as in sd_notify(3), e.g. `READY=1`. Does nothing without NOTIFY_SOCKET. Never fails: a service that
 * works is not stopped because nobody could be told.
 */
export function notifySystemd(...assignments: readonly string[]): Promise<void> {
  const socket = process.env.NOTIFY_SOCKET
  if (socket === undefined || socket === '') return Promise.resolve()
  return new Promise((resolve) => {
    const tool = spawn('systemd-notify', [`--pid=${process.pid}`, ...assignments], {
      stdio: 'ignore',
      timeout: 5_000,
      env: { PATH: '/usr/bin:/bin', NOTIFY_SOCKET: socket },
    })
    tool.on('error', () => resolve())
    tool.on('exit', () => resolve())
  })
}

/** How often systemd wants to hear from this process: half of what it waits; undefined when it does not ask. */
export function watchdogPauseMs(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const { WATCHDOG_USEC: limit = '', WATCHDOG_PID: wanted } = env
  if (!/^[1-9]\d{0,15}$/.test(limit) || (wanted !== undefined && wanted !== String(pid))) {
    return undefined
  }
  return Math.max(1, Math.floor(Number(limit) / 2000))
}

/**
 * Tells systemd's watchdog (`WatchdogSec=`) that the event loop turns, for as long as it does: a process that hangs falls
 * silent and is started again. @returns ends it. @see sd_watchdog_enabled(3)
 */
export function startWatchdog(): () => void {
  const pauseMs = watchdogPauseMs(process.env, process.pid)
  if (pauseMs === undefined) return () => undefined
  const timer = setInterval(() => void notifySystemd('WATCHDOG=1'), pauseMs)
  return () => clearInterval(timer)
}
