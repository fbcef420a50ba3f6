/** How a request stands, for those who may know of it. */
import type { Uuid } from '@keyhsm/core'
import { isRetrievalSigned, type ReplyOf, type readRequestRoute } from '@keyhsm/protocol'
import type { Trusteeship, Trustees } from '../policies/trustees.js'
import type { Deposit, Reader, RetrievalRequest, Verdict } from '../store/store.js'

export type RequestReply = ReplyOf<typeof readRequestRoute>

/** A request with what it is about. */
export interface KnownRequest {
  readonly request: RetrievalRequest
  readonly deposit: Deposit
  readonly trustees: Trustees
  readonly verdicts: readonly Verdict[]
}

/** The signed statement of a request. */
export function statementOf(request: RetrievalRequest) {
  const { organisation, deposit, revision, client, uuid, expiresAt } = request
  const clientKey = Buffer.from(request.clientKey, 'base64')
  return { organisation, deposit, revision, client, clientKey, request: uuid, expiresAt }
}

/** Approvals whose signatures are right, by different trustees who do not ask themselves. */
export function approvalsOf({ request, trustees, verdicts }: KnownRequest) {
  return trustees.trustees.flatMap((trustee) => {
    const given = verdicts.find((verdict) => verdict.trustee === trustee.client)
    const approval = given && toApproval(request, trustee, given)
    return approval ? [approval] : []
  })
}

function toApproval(request: RetrievalRequest, trustee: Trusteeship, verdict: Verdict) {
  if (verdict.verdict !== 'approve' || verdict.signature === undefined) return undefined
  const approval = {
    key: Buffer.from(trustee.key, 'base64'),
    signature: Buffer.from(verdict.signature, 'base64'),
  }
  const own = trustee.client === request.client || trustee.key === request.clientKey
  if (own || !isRetrievalSigned(statementOf(request), 'approval', approval)) return undefined
  return approval
}

/** Open until enough have approved, or so many denied that enough cannot. */
export function stateOf(known: KnownRequest, now: Date): RequestReply['state'] {
  const { request, trustees, verdicts } = known
  if (request.state !== 'open') return request.state
  if (request.expiresAt <= now) return 'expired'
  const denials = verdicts.filter(({ verdict }) => verdict === 'deny').length
  if (approvalsOf(known).length >= trustees.required) return 'approved'
  return denials > trustees.trustees.length - trustees.required ? 'denied' : 'open'
}

export async function toRequestReply(
  store: Pick<Reader, 'findClient'>,
  known: KnownRequest,
  now: Date,
): Promise<RequestReply> {
  const { request, deposit, trustees, verdicts } = known
  const { uuid, organisation, revision, client, clientKey, clientSignature } = request
  const mentioned = new Set([client, ...verdicts.map(({ trustee }) => trustee)])
  const names = new Map<Uuid, string>()
  for (const one of mentioned) {
    const found = await store.findClient({ uuid: one })
    if (found?.organisation === organisation) names.set(one, found.name)
  }
  const nameOf = (one: Uuid) => names.get(one) ?? 'unknown'
  return {
    uuid,
    organisation,
    deposit: request.deposit,
    handle: deposit.handle,
    revision,
    client,
    clientName: nameOf(client),
    clientKey,
    ...(clientSignature === undefined ? {} : { clientSignature }),
    createdAt: request.createdAt.toISOString(),
    expiresAt: request.expiresAt.toISOString(),
    state: stateOf(known, now),
    required: trustees.required,
    verdicts: verdicts.map(({ trustee, verdict, decidedAt }) => ({
      trustee,
      trusteeName: nameOf(trustee),
      verdict,
      decidedAt: decidedAt.toISOString(),
    })),
  }
}
