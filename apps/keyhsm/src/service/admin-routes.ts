/** What administrators ask over the management listener, and the two pages of the service port. */
import type { HsmKeyId, Uuid } from '@keyhsm/core'
import { DomainError } from '@keyhsm/core'
import {
  administeredKeysRoute,
  checkpointRoute,
  keyHsmCertificatesRoute,
  keyHsmStatusRoute,
  type ReplyOf,
  revokeAdministeredKeyRoute,
  stopKeyHsmRoute,
} from '@keyhsm/protocol'
import {
  type AuditSigner,
  bindLogLevel,
  bindReload,
  type BoundRoute,
  bindRoute,
  type Identity,
  type OpenLog,
  type Reloaded,
} from '@keyhsm/service'
import type { WholeWorkshop } from '../operations/caller.js'
import { listAllKeys } from '../operations/list-keys.js'
import { revokeAnyKey } from '../operations/revoke-key.js'
import type { LiveState } from './live-state.js'
import { toPage } from './routes.js'

type Status = ReplyOf<typeof keyHsmStatusRoute>

/** What the routes reach of the running service. */
export interface Administered {
  readonly workshop: () => WholeWorkshop
  readonly live: () => LiveState
  readonly signer: () => AuditSigner | undefined
  readonly log: OpenLog
  readonly status: () => Promise<Status>
  readonly reload: () => Promise<Reloaded>
  readonly certificates: () => ReplyOf<typeof keyHsmCertificatesRoute>
  /** Ends the service after this request is answered; says how many others are under way. */
  readonly stop: (drainMs: number) => number
}

export function makeAdminRoutes(service: Administered): BoundRoute[] {
  return [
    bindRoute(keyHsmStatusRoute, () => service.status()),
    bindRoute(administeredKeysRoute, ({ query }) => {
      const name = query.name === undefined ? {} : { name: query.name }
      const partition = service.workshop().partitions.named(query.backend)
      return listAllKeys(partition, service.live().trust.realms, { ...toPage(query), ...name })
    }),
    bindRoute(revokeAdministeredKeyRoute, async ({ body, identity }) => {
      const { audit, partitions } = service.workshop()
      const partition = partitions.named(body.backend)
      const outcome = await revokeAnyKey({ audit, partition }, actorOf(identity), {
        requestId: body.requestId as Uuid,
        hsmKeyId: body.hsmKeyId as HsmKeyId,
      })
      return { outcome }
    }),
    bindReload(service.reload),
    bindRoute(stopKeyHsmRoute, ({ body }) => {
      return Promise.resolve({ pid: process.pid, inFlight: service.stop(body.drainMs) })
    }),
    bindLogLevel(service.log),
    bindRoute(keyHsmCertificatesRoute, () => Promise.resolve(service.certificates())),
    bindRoute(checkpointRoute, async () => {
      const { audit } = service.workshop()
      await audit.checkpoint()
      const signer = service.signer()
      return { ...audit.head(), ...(signer ? { publicKey: signer.publicKey } : {}) }
    }),
  ]
}

/** The actor as the audit names it. */
export function actorOf(identity: Identity | undefined): string {
  if (identity?.kind !== 'administrator') {
    throw new DomainError('ERR_NOT_AUTHENTICATED', 'the caller is not known')
  }
  return `administrator ${identity.name}`
}
