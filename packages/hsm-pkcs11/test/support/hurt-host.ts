/** What the fault tests do to a host process. */
import type { Hsm } from '@keyhsm/hsm'
import type { Pkcs11Hsm } from '@keyhsm/hsm-pkcs11'

/** The process id of the backend's host. @throws when there is none right now */
export function hostOf(hsm: Hsm): number {
  const { hostProcessId } = hsm as Pkcs11Hsm
  if (hostProcessId === undefined) throw new Error('there is no host process')
  return hostProcessId
}

/** Continues a stopped process, if the watchdog has not replaced it already. */
export function resume(host: number): void {
  try {
    process.kill(host, 'SIGCONT')
  } catch {
    // It is dead.
  }
}

/** Whether a process with this id exists. */
export function alive(process_: number): boolean {
  try {
    process.kill(process_, 0)
    return true
  } catch {
    return false
  }
}
