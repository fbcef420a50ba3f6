/** What trustees say to a request, and taking it back. */
import { DomainError, invalidInput, type Uuid } from '@keyhsm/core'
import { decodeBase64, isRetrievalSigned } from '@keyhsm/protocol'
import { audited } from '../audited.js'
import type { Verdict } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import { changeRequest } from './change-request.js'
import { findRequest, isTrustee, noSuchRequest } from './find-request.js'
import { type KnownRequest, statementOf } from './request-reply.js'

export interface VerdictOrder {
  readonly requestId: Uuid
  readonly uuid: Uuid
  readonly verdict: 'approve' | 'deny'
  readonly signature?: string | undefined
}

/**
 * @throws ERR_NOT_FOUND; ERR_NOT_ALLOWED for one's own request; ERR_CONFLICT when it is over; ERR_INVALID_INPUT for an
 * approval without the trustee's right signature.
 */
export async function giveVerdict(
  trustee: Trustee,
  caller: Caller,
  order: VerdictOrder,
): Promise<KnownRequest> {
  const known = await findRequest(trustee, caller, order.uuid)
  if (known.request.client === caller.client.uuid)
    throw new DomainError('ERR_NOT_ALLOWED', 'nobody approves or denies their own request')
  if (!isTrustee(caller, known)) throw noSuchRequest()
  const verdict: Verdict = {
    request: order.uuid,
    trustee: caller.client.uuid,
    verdict: order.verdict,
    signature: checkSignature(caller, known, order),
    decidedAt: trustee.clock.now(),
  }
  await change(trustee, caller, { ...order, operation: order.verdict, known }, (transaction) =>
    transaction.saveVerdict(verdict),
  )
  return findRequest(trustee, caller, order.uuid)
}

/** A trustee takes back what it said; the client that asks takes back its request. @throws as {@link giveVerdict} */
export async function withdraw(
  trustee: Trustee,
  caller: Caller,
  order: { readonly requestId: Uuid; readonly uuid: Uuid },
): Promise<KnownRequest> {
  const known = await findRequest(trustee, caller, order.uuid)
  const own = known.request.client === caller.client.uuid
  await change(trustee, caller, { ...order, operation: 'withdraw', known }, (transaction, now) =>
    own
      ? transaction.saveRetrievalRequest(trustee.grants.request({ ...now, state: 'withdrawn' }))
      : transaction.deleteVerdict(order.uuid, caller.client.uuid),
  )
  return findRequest(trustee, caller, order.uuid)
}

async function change(
  trustee: Trustee,
  caller: Caller,
  o: { readonly requestId: Uuid; readonly operation: string; readonly known: KnownRequest },
  write: Parameters<typeof changeRequest<void>>[2],
): Promise<void> {
  const { request, deposit } = o.known
  const { organisation, revision, uuid } = request
  const operation = {
    operation: o.operation,
    requestId: o.requestId,
    actor: caller.client.uuid,
    subjects: [
      { organisation, deposit: deposit.uuid, handle: deposit.handle, revision, request: uuid },
    ],
  }
  await audited(trustee.audit, operation, 'done', () => changeRequest(trustee, o.known, write))
}

function checkSignature(
  caller: Caller,
  { request, trustees }: KnownRequest,
  { verdict, signature: text }: VerdictOrder,
): string | undefined {
  if (verdict === 'deny') return undefined
  if (text === undefined) throw invalidInput('signature', 'is needed for an approval')
  const own = trustees.trustees.find(({ client }) => client === caller.client.uuid)
  const key = Buffer.from(own?.key ?? '', 'base64')
  const signature = decodeBase64(text, 'signature')
  if (isRetrievalSigned(statementOf(request), 'approval', { key, signature })) return text
  throw invalidInput(
    'signature',
    'must be made with the identity key that was sealed into the deposit',
  )
}
