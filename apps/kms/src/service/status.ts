import { DomainError } from '@keyhsm/core'
import type { ReplyOf } from '@keyhsm/protocol'
import { type Care, findCareWarnings, levelInUse, type OpenLog } from '@keyhsm/service'
import { version } from '../version.js'
import type { LiveSettings } from './live-settings.js'
import type { OpenKms } from './open-kms.js'
import type { kmsStatusRoute } from './control-routes.js'

/** How the service is now; the Trustee Server is asked. */
export async function readStatus(o: {
  readonly opened: OpenKms
  readonly live: LiveSettings
  readonly startedAt: Date
  readonly care: Care
  readonly log: OpenLog
  readonly address: { readonly host: string; readonly port: number }
}): Promise<ReplyOf<typeof kmsStatusRoute>> {
  const { connection, audit, keys } = o.opened
  const trustee = await connection.trustee.self().then(
    ({ clientName, sealing }) => ({
      healthy: sealing !== 'none',
      detail: `${clientName}, sealing ${sealing}`,
    }),
    (error: unknown) => ({
      healthy: false,
      detail: error instanceof DomainError ? error.message : 'cannot be asked',
    }),
  )
  const { healthy, detail } = audit.state()
  return {
    version,
    pid: process.pid,
    address: `${o.live.tls ? 'https' : 'http'}://${o.address.host}:${o.address.port}/kms`,
    startedAt: o.startedAt.toISOString(),
    authentication: o.live.site.authentication.type,
    trusteeServer: connection.client.settings.server,
    healthy: trustee.healthy && healthy,
    trustee: trustee.detail,
    audit: detail,
    openedKeys: keys.versions.size,
    warnings: (await findCareWarnings(o.care)).map(({ text }) => text),
    log: levelInUse(o.log),
    remarks: [...o.live.remarks],
  }
}
