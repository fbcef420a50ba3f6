/** The clients' routes about each other and about retrievals that trustees approve. */
import type { Uuid } from '@keyhsm/core'
import {
  askRetrievalRoute,
  findPeersRoute,
  listRequestsRoute,
  readRequestRoute,
  signRequestRoute,
  verdictRoute,
  withdrawRoute,
} from '@keyhsm/protocol'
import { type BoundRoute, bindRoute } from '@keyhsm/service'
import { findPeers } from '../clients/find-peers.js'
import { askRetrieval, signRequest } from '../requests/ask-retrieval.js'
import { giveVerdict, withdraw } from '../requests/decide-request.js'
import { findRequest, listRequests } from '../requests/find-request.js'
import { type KnownRequest, toRequestReply } from '../requests/request-reply.js'
import type { Trustee } from '../trustee.js'
import { clientOf } from './identify.js'

export function requestRoutes(trustee: Trustee): BoundRoute[] {
  const reply = (known: KnownRequest) => toRequestReply(trustee.store, known, trustee.clock.now())
  return [
    bindRoute(findPeersRoute, ({ identity, params }) =>
      findPeers(trustee, clientOf(identity).caller, params.name),
    ),
    bindRoute(
      askRetrievalRoute,
      async ({ identity, requestId, body: { ref }, peerAddress: from }) =>
        reply(await askRetrieval(trustee, clientOf(identity).caller, { requestId, ref, from })),
    ),
    bindRoute(signRequestRoute, async ({ identity, params, body: { signature } }) => {
      const order = { uuid: params.uuid as Uuid, signature }
      return reply(await signRequest(trustee, clientOf(identity).caller, order))
    }),
    bindRoute(listRequestsRoute, async ({ identity, query }) => {
      const behind = query.after as Uuid | undefined
      const { requests, next } = await listRequests(trustee, clientOf(identity).caller, behind)
      const replies = await Promise.all(requests.map(reply))
      return { requests: replies, ...(next === undefined ? {} : { next }) }
    }),
    bindRoute(readRequestRoute, async ({ identity, params }) =>
      reply(await findRequest(trustee, clientOf(identity).caller, params.uuid as Uuid)),
    ),
    bindRoute(verdictRoute, async ({ identity, requestId, params, body }) => {
      const order = { requestId, uuid: params.uuid as Uuid, ...body }
      return reply(await giveVerdict(trustee, clientOf(identity).caller, order))
    }),
    bindRoute(withdrawRoute, async ({ identity, requestId, params }) => {
      const order = { requestId, uuid: params.uuid as Uuid }
      return reply(await withdraw(trustee, clientOf(identity).caller, order))
    }),
  ]
}
