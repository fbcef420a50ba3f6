/** Routes about the further servers of the installation. */
import type { X509Certificate } from 'node:crypto'
import { parseFingerprint, type Uuid } from '@keyhsm/core'
import {
  admitNodeRoute,
  forgetAuthorityRoute,
  joinTokenRoute,
  removeNodeRoute,
  renewAuthorityRoute,
} from '@keyhsm/protocol'
import { type BoundRoute, bindRoute, certificateFingerprint } from '@keyhsm/service'
import { audited } from '../audited.js'
import { type AdmissionDesk, admitNode } from '../nodes/admit-node.js'
import { makeJoinToken } from '../nodes/join-tokens.js'
import { removeNode } from '../nodes/remove-node.js'
import type { Paths } from '../paths.js'
import type { Trustee } from '../trustee.js'
import type { ClientAuthorities } from './client-authorities.js'
import { orderOf } from './identify.js'

export interface NodeRoutesOptions {
  readonly trustee: Trustee
  readonly paths: Paths
  /** The certificate now in use. */
  certificate(): X509Certificate
  readonly authorities: ClientAuthorities
}

/** Of the control socket. */
export function nodeRoutes(o: NodeRoutesOptions): BoundRoute[] {
  const { trustee, paths } = o
  return [
    bindRoute(joinTokenRoute, async ({ body: { validMs }, ...by }) => {
      const { requestId, actor } = orderOf(by)
      const operation = { operation: 'join-token', requestId, actor, subjects: [{ validMs }] }
      const now = trustee.clock.now()
      const shown = certificateFingerprint(o.certificate())
      const made = await audited(trustee.audit, operation, 'done', () =>
        makeJoinToken(paths.joinTokens, { now, validMs, madeBy: actor }, shown),
      )
      return { token: made.text, expiresAt: made.expiresAt.toISOString() }
    }),
    bindRoute(removeNodeRoute, async ({ params, ...by }) => {
      const removed = await removeNode(trustee, orderOf(by), params.node as Uuid)
      const { node, name, url, serverFingerprint } = removed
      return { node, name, url, serverFingerprint }
    }),
    bindRoute(renewAuthorityRoute, async (by) => ({
      fingerprint: await o.authorities.renew(orderOf(by)),
    })),
    bindRoute(forgetAuthorityRoute, async ({ body, ...by }) => {
      const fingerprint = parseFingerprint(body.fingerprint, 'fingerprint')
      await o.authorities.forget(orderOf(by), fingerprint)
      return { fingerprint }
    }),
  ]
}

/** Of the clients' port, without an identity: the token is one. */
export function admissionRoutes(trustee: Trustee, desk: AdmissionDesk): BoundRoute[] {
  return [
    bindRoute(admitNodeRoute, async ({ body, requestId, peerAddress: peer }) => {
      const admission = { ...body, requestId, token: body.token as Uuid, peer }
      return { bundle: await admitNode(trustee, desk, admission) }
    }),
  ]
}
