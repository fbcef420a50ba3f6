/**
 * A reload: everything new is read, checked and built first, and only then put in use, by steps that cannot fail once the first is
 * done. So a faulty file leaves all that was in use.
 */
import { isDeepStrictEqual } from 'node:util'
import { logReloaded, type Reloaded, type TlsServing } from '@keyhsm/service'
import type { Paths } from '../paths.js'
import { describeReload, type LiveSettings, readLiveSettings } from './live-settings.js'
import { type BuildOptions, buildLiveState, type LiveState } from './live-state.js'
import type { OpenKms } from './open-kms.js'

export interface ReloadOptions extends BuildOptions {
  readonly paths: Paths
  readonly opened: Pick<OpenKms, 'secrets' | 'states' | 'trail' | 'aclFile'> & {
    readonly connection: Pick<OpenKms['connection'], 'prepareRenewal'>
  }
  readonly server: { reloadTls(tls: TlsServing): void }
  /** Those of the start: what only a restart takes over is told until there is one. */
  readonly started: LiveSettings
}

/** @throws ERR_SETTINGS and the codes of being unable to ask; nothing has changed then. */
export async function reloadLiveState(
  o: ReloadOptions,
  before: LiveState,
): Promise<{ readonly next: LiveState; readonly reloaded: Reloaded }> {
  const { opened, server, started } = o
  const live = await readLiveSettings(o.paths)
  const next = await buildLiveState(o, opened, live, before.seen)
  const showRenewed = await opened.connection.prepareRenewal(o.clock.now())
  // Last, because it is followed: rules that were tightened while the others were asked for are not widened again.
  const rules = await opened.aclFile.prepare(live.aclFile)

  // From here on nothing waits; the first step refuses what it cannot use and leaves the old pair.
  if (live.tls && started.tls) server.reloadTls(live.tls)
  const others = !isDeepStrictEqual(opened.aclFile.current(), rules.acls)
  rules.use()
  const renewed = showRenewed()
  for (const remark of live.remarks) o.log.warn({}, remark)
  const { applied, needsRestart } = describeReload({ started, before: before.live, after: live })
  const more = [
    ...(others ? ['other rules (kms-acls.xml)'] : []),
    ...(renewed ? ['another certificate for the Trustee Server'] : []),
  ]
  return { next, reloaded: logReloaded(o.log, { applied: [...applied, ...more], needsRestart }) }
}
