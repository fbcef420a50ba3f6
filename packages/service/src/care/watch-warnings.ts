/** What somebody must look after before it becomes an outage: for status, metrics, and the log. */
import { type Clock, toDomainError } from '@keyhsm/core'
import type { Log } from '../log.js'
import { diskWarnings, type WatchedFolder } from './disk-use.js'
import { type ExpiringCertificate, expiryWarnings } from './expiry.js'
import type { Warning } from './warning.js'

/** What a service has that ends or fills up; asked at each look, so that a reload takes effect. */
export interface Care {
  readonly clock: Clock
  certificates(): readonly ExpiringCertificate[]
  folders(): readonly WatchedFolder[]
}

/** All that holds now. Never fails. */
export async function findCareWarnings(care: Care): Promise<readonly Warning[]> {
  const disks = await diskWarnings(care.folders())
  return [...expiryWarnings(care.certificates(), care.clock.now()), ...disks]
}

/** Says each warning once, at the start and then every minute; one that was cured and comes back is said again. @returns ends it. */
export function watchWarnings(
  care: Care,
  log: Pick<Log, 'warn' | 'debug'>,
  everyMs = 60_000,
): () => void {
  let said: ReadonlySet<string> = new Set()
  const look = async (): Promise<void> => {
    const found = await findCareWarnings(care)
    for (const { key, text, details } of found) if (!said.has(key)) log.warn(details, text)
    said = new Set(found.map(({ key }) => key))
  }
  const start = (): void => {
    look().catch((error: unknown) => {
      log.debug({ error: toDomainError(error) }, 'what to look after cannot be found out')
    })
  }
  start()
  const timer = setInterval(start, everyMs).unref()
  return () => clearInterval(timer)
}
