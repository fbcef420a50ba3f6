/** Carries out the order of `reload`, and answers what came of it. */
import { DomainError, hasCode } from '@keyhsm/core'
import { type ReplyOf, reloadRoute } from '@keyhsm/protocol'
import { type BoundRoute, bindRoute } from './http-server.js'
import type { Log } from './log.js'

/** What a reload has taken over, one line each, and the settings that wait for a restart. */
export type Reloaded = ReplyOf<typeof reloadRoute>

/** Ties {@link reloadRoute}, or what another program made of it, to a service. */
export function bindReload(reload: () => Promise<Reloaded>, route = reloadRoute): BoundRoute {
  return bindRoute(route, () => reload().catch(showSettingsFault))
}

/** Faults of settings are not shown over HTTP otherwise; whoever asks here wrote them. */
function showSettingsFault(error: unknown): never {
  if (!hasCode(error, 'ERR_SETTINGS')) throw error
  const { faults, hints, message } = error
  const text = `${message}; the old state stays in use`
  throw new DomainError('ERR_INVALID_INPUT', text, { faults, hints })
}

/** The same, with what needs a restart in the log, where a signal asked for it. */
export function logReloaded(log: Pick<Log, 'warn'>, reloaded: Reloaded): Reloaded {
  for (const setting of reloaded.needsRestart)
    log.warn({ setting }, 'changed, takes effect at the next start')
  return reloaded
}

/** Names of the settings whose values differ. */
export function changedSettings<Values extends object>(
  schema: { readonly [Key in keyof Values]: { readonly name: string } },
  before: Values,
  after: Values,
): readonly string[] {
  const keys = Object.keys(schema) as (keyof Values)[]
  return keys
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
    .map((key) => schema[key].name)
}
