/** The routes of the clients' port, tied to what they do. */
import type { X509Certificate } from 'node:crypto'
import type { Handle, Uuid } from '@keyhsm/core'
import {
  encodeBase64,
  describeDepositRoute,
  enrolRoute,
  fingerprintRoute,
  getDepositRoute,
  listDepositsRoute,
  openApiRoute,
  purgeDepositRoute,
  putBatchRoute,
  putDepositRoute,
  recordHeadRoute,
  removeDepositRoute,
  selfRoute,
  setPolicyRoute,
  type Succession,
  successionsRoute,
  testHsmRoute,
  toOpenApi,
  trusteePages,
  trusteeRoutes,
  undeleteDepositRoute,
} from '@keyhsm/protocol'
import { type BoundRoute, bindRoute, TextReply } from '@keyhsm/service'
import { type EnrolmentDesk, enrolClient } from '../clients/enrol-client.js'
import { parseEnrolment } from '../clients/enrolment-request.js'
import type { HeadsOfClients } from '../clients/record-head.js'
import { describeDeposit } from '../deposits/describe-deposit.js'
import { findOwn } from '../deposits/find-own.js'
import { listDeposits } from '../deposits/list-deposits.js'
import { purgeDeposit } from '../deposits/purge-deposit.js'
import { putBatch } from '../deposits/put-batch.js'
import { putDeposit } from '../deposits/put-deposit.js'
import { removeDeposit } from '../deposits/remove-deposit.js'
import { retrieveDeposit } from '../deposits/retrieve-deposit.js'
import { undeleteDeposit } from '../deposits/undelete-deposit.js'
import { setPolicy } from '../policies/set-policy.js'
import type { Paths } from '../paths.js'
import type { HsmTest } from '../sealing/test-hsm.js'
import type { OpenTrustee } from './open-trustee.js'
import { version } from '../version.js'
import { clientOf } from './identify.js'
import { formatKeyFingerprint } from './key-fingerprint.js'
import { admissionRoutes } from './node-routes.js'
import { toPurgeReply } from './purge-reply.js'
import { requestRoutes } from './request-routes.js'
import { servedWithWriter } from './writer-only.js'

const openApi = JSON.stringify(
  toOpenApi({ title: 'Key Trustee Server', version, routes: [...trusteeRoutes, ...trusteePages] }),
)

export interface ClientRoutesOptions {
  readonly trustee: OpenTrustee['trustee']
  readonly heads: HeadsOfClients
  readonly paths: Paths
  readonly desk: () => EnrolmentDesk
  /** How the certificate in use followed those before. */
  successions(): readonly Succession[]
  readonly hsmTest: HsmTest
  /** The certificate now in use. */
  certificate(): X509Certificate
}

export function clientRoutes(o: ClientRoutesOptions): readonly BoundRoute[] {
  const routes = [
    ...openRoutes(o),
    ...admissionRoutes(o.trustee, { paths: o.paths, attempts: o.desk().attempts }),
    ...depositRoutes(o),
    ...removalRoutes(o),
    ...requestRoutes(o.trustee),
  ]
  return servedWithWriter(o.trustee.store, routes)
}

/** Without an identity: first contact, and the two pages of the old product. */
function openRoutes(o: ClientRoutesOptions): BoundRoute[] {
  const { trustee, desk, hsmTest } = o
  return [
    bindRoute(enrolRoute, async ({ body, requestId, peerAddress: peer }) =>
      enrolClient(trustee, desk(), { requestId, peer, request: await parseEnrolment(body) }),
    ),
    bindRoute(successionsRoute, () => Promise.resolve({ successions: [...o.successions()] })),
    bindRoute(openApiRoute, () => Promise.resolve(new TextReply(openApi, 200, 'application/json'))),
    bindRoute(fingerprintRoute, () =>
      Promise.resolve(new TextReply(`${formatKeyFingerprint(o.certificate())}\n`)),
    ),
    bindRoute(
      testHsmRoute,
      async (request) => new TextReply(await hsmTest.run(request), 200, 'application/json'),
    ),
  ]
}

function depositRoutes({ trustee, heads }: ClientRoutesOptions): BoundRoute[] {
  return [
    bindRoute(selfRoute, async ({ identity }) => {
      const { caller, certificateExpiresAt } = clientOf(identity)
      const { client, organisation } = caller
      const usage = await trustee.store.readUsage({ client: client.uuid }, trustee.clock.now())
      return {
        client: client.uuid,
        clientName: client.name,
        organisation: organisation.uuid,
        organisationName: organisation.name,
        deposits: usage.deposits,
        sealing: trustee.sealing.state,
        certificateExpiresAt: certificateExpiresAt.toISOString(),
        ...(organisation.recovery === undefined ? {} : { recovery: organisation.recovery }),
      }
    }),
    bindRoute(recordHeadRoute, async ({ identity, body }) => {
      await heads.record(trustee, clientOf(identity).caller, body)
      return {}
    }),
    bindRoute(putDepositRoute, ({ identity, requestId, params, body, headers }) => {
      const put = { ...body, handle: params.handle }
      return putDeposit(trustee, clientOf(identity).caller, { requestId, put, headers })
    }),
    bindRoute(putBatchRoute, async ({ identity, requestId, body }) => {
      const { puts, removes } = body
      const request = { requestId, puts, ...(removes === undefined ? {} : { removes }) }
      const reply = await putBatch(trustee, clientOf(identity).caller, request)
      return { deposits: [...reply.deposits], removed: [...reply.removed] }
    }),
    bindRoute(
      getDepositRoute,
      async ({ identity, requestId, params, query, peerAddress: from }) => {
        const request = query.request === undefined ? {} : { request: query.request as Uuid }
        const lookup = { requestId, ref: params.ref, from, ...request }
        const { deposit, revision, content, standby } = await retrieveDeposit(
          trustee,
          clientOf(identity).caller,
          lookup,
        )
        const origin = standby ? { standby: true as const } : {}
        return { deposit, revision, content: encodeBase64(content), ...origin }
      },
    ),
    bindRoute(describeDepositRoute, ({ identity, requestId, params: { ref } }) => {
      const lookup = { operation: 'describe', requestId, ref } as const
      return describeDeposit(trustee, clientOf(identity).caller, lookup)
    }),
    bindRoute(listDepositsRoute, async ({ identity, requestId, query }) => {
      const page = { requestId, ...query } as { requestId: typeof requestId; after?: Handle }
      const { deposits, next } = await listDeposits(trustee, clientOf(identity).caller, page)
      return { deposits: [...deposits], ...(next === undefined ? {} : { next }) }
    }),
  ]
}

function removalRoutes({ trustee }: ClientRoutesOptions): BoundRoute[] {
  return [
    bindRoute(removeDepositRoute, ({ identity, requestId, params }) =>
      removeDeposit(trustee, clientOf(identity).caller, { requestId, ref: params.ref }),
    ),
    bindRoute(undeleteDepositRoute, async ({ identity, requestId, params: { ref } }) => {
      const { caller } = clientOf(identity)
      const order = { operation: 'undelete', requestId, ref } as const
      const { deposit } = await findOwn(trustee, caller, order)
      return undeleteDeposit(trustee, { requestId, actor: caller.client.uuid }, deposit.uuid)
    }),
    bindRoute(setPolicyRoute, async ({ identity, requestId, params: { ref }, body: policy }) => {
      const { caller } = clientOf(identity)
      const order = { operation: 'set-policy', requestId, ref } as const
      const { deposit } = await findOwn(trustee, caller, order)
      const by = { requestId, actor: caller.client.uuid, policy }
      return setPolicy(trustee, by, deposit.uuid)
    }),
    bindRoute(purgeDepositRoute, async ({ identity, requestId, params: { ref } }) => {
      const { caller } = clientOf(identity)
      const order = { operation: 'purge', requestId, ref } as const
      const { deposit } = await findOwn(trustee, caller, order)
      const by = { requestId, actor: caller.client.uuid }
      return toPurgeReply(await purgeDeposit(trustee, by, deposit.uuid))
    }),
  ]
}
