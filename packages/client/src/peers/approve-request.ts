/** The client's half of retrievals that trustees approve: what is signed, and with which key. */
import { DomainError } from '@keyhsm/core'
import {
  isRetrievalSigned,
  type readRequestRoute,
  type ReplyOf,
  type RetrievalStatement,
  signRetrieval,
} from '@keyhsm/protocol'
import type { LocalClient } from '../identity/client-folder.js'
import { formatRawWriterKey, rawWriterKey } from '../sealing/writer-key.js'
import type { TrusteeClient } from '../trustee-client.js'
import { requireOwnName } from './peers.js'

export type RetrievalRequest = ReplyOf<typeof readRequestRoute>

/**
 * Makes and signs a request for a deposit that has trustees.
 * @throws ERR_INTEGRITY when the server makes it in another client's name.
 */
export async function askTrustees(
  trustee: TrusteeClient,
  { settings, keys }: LocalClient,
  ref: string,
): Promise<RetrievalRequest> {
  const request = await trustee.askRetrieval(ref)
  const statement = statementOf(request)
  const own =
    request.client === settings.client &&
    request.organisation === settings.organisation &&
    statement.clientKey.equals(rawWriterKey(keys.identityKey))
  if (!own) throw new DomainError('ERR_INTEGRITY', 'the server made the request for somebody else')
  const signature = signRetrieval(statement, 'request', keys.identityKey)
  return await trustee.signRequest(request.uuid, signature)
}

/**
 * Approves as a trustee.
 * @throws ERR_INTEGRITY unless the client that asks has signed the request, and is shown as it was pinned, if it was.
 */
export async function approveRequest(
  trustee: TrusteeClient,
  { keys, settings }: LocalClient,
  request: RetrievalRequest,
): Promise<RetrievalRequest> {
  const statement = statementOf(request)
  const signature = Buffer.from(request.clientSignature ?? '', 'base64')
  if (!isRetrievalSigned(statement, 'request', { key: statement.clientKey, signature }))
    throw new DomainError('ERR_INTEGRITY', 'the request is not signed by the client that it names')
  const { client: uuid, clientName: name } = request
  const identityKey = formatRawWriterKey(statement.clientKey)
  requireOwnName({ uuid, name, identityKey }, settings.peers)
  const approval = signRetrieval(statement, 'approval', keys.identityKey)
  return await trustee.giveVerdict(request.uuid, 'approve', approval)
}

function statementOf(request: RetrievalRequest): RetrievalStatement {
  const { organisation, deposit, revision, client, uuid } = request
  const clientKey = Buffer.from(request.clientKey, 'base64')
  const expiresAt = new Date(request.expiresAt)
  return { organisation, deposit, revision, client, clientKey, request: uuid, expiresAt }
}
