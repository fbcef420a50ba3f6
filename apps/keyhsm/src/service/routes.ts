/** What Trustee Servers ask, tied to the operations: bytes decoded on the way in, encoded on the way out, nothing else. */
import { DomainError, type Fingerprint, type HsmKeyId, type Uuid } from '@keyhsm/core'
import {
  type BodyOf,
  decodeBase64,
  describeRoute,
  encodeBase64,
  exchangeHeadsRoute,
  listHsmKeysRoute,
  moveRoute,
  openRoute,
  revokeRoute,
  type ReplyOf,
  sealRoute,
  sealsRoute,
  toProblem,
} from '@keyhsm/protocol'
import { type BoundRoute, bindRoute } from '@keyhsm/service'
import type { WholeWorkshop } from '../operations/caller.js'
import { describePartition } from '../operations/describe-partition.js'
import { exchangeHeads } from '../operations/exchange-heads.js'
import { listRealmKeys } from '../operations/list-keys.js'
import { openDeposit } from '../operations/open-deposit.js'
import { moveDeposits } from '../operations/move-deposits.js'
import { revokeKey, type RevokeRequest } from '../operations/revoke-key.js'
import { sealDeposit, type Sealed } from '../operations/seal-deposit.js'
import { sealDeposits } from '../operations/seal-deposits.js'
import { toApproval } from './approval.js'
import { toContext } from './context.js'
import { callerOf } from './identify.js'
import { toMoveRequest, toSealRequest, toSealsRequest } from './seal-requests.js'

/** What describing says about this Key HSM's certificates, and hears about them. */
export interface CertificateDesk {
  /** The caller with this public key accepts these. */
  note(publicKey: Fingerprint, pins: readonly string[]): void
  shown(): { readonly certificateFingerprint: Fingerprint; readonly nextCertificate?: string }
}

/** `workshop` is asked for with each request: a reload exchanges its settings. */
export function makeServiceRoutes(
  workshop: () => WholeWorkshop,
  certificates: CertificateDesk,
): BoundRoute[] {
  return [
    ...makeSealingRoutes(workshop),
    bindRoute(revokeRoute, async ({ body, identity, signal }) => {
      const request = toRevokeRequest(body)
      return { outcome: await revokeKey(workshop(), callerOf(identity), request, { signal }) }
    }),
    bindRoute(listHsmKeysRoute, ({ query, identity }) => {
      const { partitions } = workshop()
      const { canary } = query
      const partition =
        canary === undefined ? partitions.named() : partitions.requireCanary(canary as Fingerprint)
      return listRealmKeys(partition, callerOf(identity).realm, toPage(query))
    }),
    bindRoute(describeRoute, async ({ query, identity }) => {
      const { realm } = callerOf(identity)
      if (identity) certificates.note(identity.fingerprint, query.pins?.split(',') ?? [])
      const described = await describePartition(workshop(), realm, query.backend)
      return { ...described, ...certificates.shown() }
    }),
    bindRoute(exchangeHeadsRoute, ({ body, identity }) =>
      exchangeHeads(workshop().audit, callerOf(identity), body),
    ),
  ]
}

function makeSealingRoutes(workshop: () => WholeWorkshop): BoundRoute[] {
  return [
    bindRoute(sealRoute, async ({ body, identity, signal }) => {
      const caller = callerOf(identity)
      const sealed = await sealDeposit(workshop(), caller, toSealRequest(body), { signal })
      return { ...sealed, sealed: encodeBase64(sealed.sealed) }
    }),
    bindRoute(openRoute, async ({ body, identity, signal }) => {
      const content = await openDeposit(
        workshop(),
        callerOf(identity),
        {
          requestId: body.requestId as Uuid,
          context: toContext(body.context),
          sealed: decodeBase64(body.sealed, 'sealed'),
          canary: body.canary as Fingerprint,
          ...(body.approval === undefined ? {} : { approval: toApproval(body.approval) }),
        },
        { signal },
      )
      const encoded = encodeBase64(content)
      content.fill(0)
      return { content: encoded }
    }),
    bindRoute(sealsRoute, async ({ body, identity, signal }) => {
      const caller = callerOf(identity)
      const sealed = await sealDeposits(workshop(), caller, toSealsRequest(body), { signal })
      return { deposits: sealed.map(toMoved) }
    }),
    bindRoute(moveRoute, async ({ body, identity, signal }) => {
      const caller = callerOf(identity)
      const moved = await moveDeposits(workshop(), caller, toMoveRequest(body), { signal })
      return { deposits: moved.map(toMoved) }
    }),
  ]
}

function toRevokeRequest(body: BodyOf<typeof revokeRoute>): RevokeRequest {
  const { requestId, hsmKeyId, canary, reason, proof } = body
  const order = {
    requestId: requestId as Uuid,
    hsmKeyId: hsmKeyId as HsmKeyId,
    canary: canary as Fingerprint,
    reason,
  }
  if (!proof) return order
  const sealed = decodeBase64(proof.sealed, 'proof.sealed')
  const shown = { context: toContext(proof.context), sealed, canary: proof.canary as Fingerprint }
  return { ...order, proof: shown }
}

function toMoved(moved: Sealed | DomainError): ReplyOf<typeof moveRoute>['deposits'][number] {
  if (!(moved instanceof DomainError)) return { ...moved, sealed: encodeBase64(moved.sealed) }
  const { code, detail, retryAfterMs } = toProblem(moved)
  return { code, detail, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}

/** A listing's page as a query has it. */
export function toPage(query: { readonly after?: string; readonly limit?: number }) {
  const { after, limit } = query
  return {
    ...(after === undefined ? {} : { after: after as HsmKeyId }),
    ...(limit === undefined ? {} : { limit }),
  }
}
