/** Carries out the order of `log-level`, and says so in the log itself. */
import { logLevelRoute, type ReplyOf } from '@keyhsm/protocol'
import { type BoundRoute, bindRoute } from './http-server.js'
import type { OpenLog } from './log.js'

type LevelInUse = ReplyOf<typeof logLevelRoute>

/** Ties {@link logLevelRoute}, or what another program made of it, to a service's log. */
export function bindLogLevel(log: OpenLog, route = logLevelRoute): BoundRoute {
  return bindRoute(route, ({ body: { level, forMs }, identity }) => {
    const by = identity?.kind === 'administrator' ? { by: identity.name } : {}
    // Before it holds: a log of errors alone would not have this line.
    log.warn({ level, seconds: forMs / 1000, ...by }, 'the level of the log changes')
    if (level === 'configured') log.endLevelFor()
    else log.setLevelFor(level, forMs)
    return Promise.resolve(levelInUse(log))
  })
}

/** For `status`. */
export function levelInUse(log: Pick<OpenLog, 'state'>): LevelInUse {
  const { level, levelUntil } = log.state()
  return { level, ...(levelUntil === undefined ? {} : { until: levelUntil.toISOString() }) }
}
