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
