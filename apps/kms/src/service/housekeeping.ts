/** What has to be done from time to time, whether anybody calls or not. */
import { toDomainError } from '@keyhsm/core'
import type { Log } from '@keyhsm/service'
import type { LiveSettings } from './live-settings.js'
import { type OpenKms, sharedRefreshMs } from './open-kms.js'

/** Starts it; the function returned ends it and waits for what is under way. */
export function startHousekeeping(
  { secrets, states }: OpenKms,
  log: Log,
  live: () => LiveSettings,
): () => Promise<void> {
  let sweptAt = Date.now()
  let running = Promise.resolve()
  const work = async () => {
    await secrets.refresh()
    if (Date.now() - sweptAt < live().site.tokens.removalScanMs) return
    sweptAt = Date.now()
    const removed = await states.sweep()
    if (removed > 0) log.info({ removed }, 'states of old delegation tokens are removed')
  }
  const timer = setInterval(() => {
    running = running.then(work).catch((error: unknown) => {
      log.warn({ error: toDomainError(error) }, 'housekeeping failed, it is tried again')
    })
  }, sharedRefreshMs).unref()
  return async () => {
    clearInterval(timer)
    await running
  }
}
