/** What has to be done from time to time, whether anybody calls or not. */
import { newUuid, toDomainError } from '@keyhsm/core'
import type { Log } from '@keyhsm/service'
import { tellPurged } from '../api/manage-keys.js'
import type { AuditTrail } from '../audit/audit-trail.js'
import { type ResumeOptions, resumePurges } from '../zone-keys/resume-purges.js'
import type { LiveSettings } from './live-settings.js'
import { type OpenKms, sharedRefreshMs } from './open-kms.js'

type Kept = Pick<OpenKms, 'secrets' | 'states' | 'keys' | 'trail' | 'heads' | 'connection'>

/** How long an instance may be silent about a purge that it is at work on, before others take it over. */
const purgeQuietMs = 60_000
const service = 'keytrustee-kms'

/** Starts it; the function returned ends it and waits for what is under way. */
export function startHousekeeping(
  kept: Kept,
  log: Log,
  live: () => LiveSettings,
): () => Promise<void> {
  let sweptAt = Date.now()
  let ended = false
  const { secrets, states, heads } = kept
  const sweep = async () => {
    if (Date.now() - sweptAt < live().site.tokens.removalScanMs) return
    sweptAt = Date.now()
    const removed = await states.sweep()
    if (removed > 0) log.info({ removed }, 'states of old delegation tokens are removed')
  }
  const purges = (quietMs: number) => endPurges(kept, log, { quietMs, goesOn: () => !ended })
  const refresh = async () => void (await secrets.refresh())
  const renew = async () => {
    if (await kept.connection.renew(new Date()))
      log.info({}, 'the certificate for the Trustee Server is renewed')
  }
  const tasks = [refresh, sweep, () => purges(purgeQuietMs), () => heads.run(), renew]
  const warn = (error: unknown) =>
    log.warn({ error: toDomainError(error) }, 'housekeeping failed, it is tried again')
  // At the start nothing is left to others: it may be this instance that was cut off.
  let running = purges(0).catch(warn)
  const timer = setInterval(() => {
    for (const task of tasks) running = running.then(task).catch(warn)
  }, sharedRefreshMs).unref()
  return async () => {
    clearInterval(timer)
    ended = true
    await running
    // The last word of this run, if the Trustee Server still hears it.
    await heads.run()
  }
}

function endPurges(
  { keys, trail }: Kept,
  log: Log,
  when: Pick<ResumeOptions, 'quietMs' | 'goesOn'>,
): Promise<void> {
  return resumePurges(keys, {
    ...when,
    by: service,
    async around(name, end) {
      const access = accessOf(name)
      await trail.intend(access)
      const purged = await end().catch(async (error: unknown) => {
        const { message } = toDomainError(error)
        await trail.record({ ...access, status: 'ERROR', outcome: 'unavailable', message })
        throw error
      })
      await trail.record({ ...access, status: 'OK', message: tellPurged(purged) })
      log.info({ key: name }, 'a purge that was cut off is ended')
    },
    onFailure: (error) =>
      log.warn({ error: toDomainError(error) }, 'a purge cannot be ended yet, it is tried again'),
  })
}

function accessOf(key: string): Omit<Parameters<AuditTrail['record']>[0], 'status'> {
  const caller = { user: { short: service, full: service }, by: 'operator' } as const
  return { op: 'PURGE_KEY', key, caller, peerAddress: 'local', requestId: newUuid() }
}
