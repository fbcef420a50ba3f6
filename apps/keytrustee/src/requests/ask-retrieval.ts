/** Asking for a deposit that has trustees: the request is made, then signed by the client that asks. */
import { DomainError, newUuid, type Uuid } from '@keyhsm/core'
import { decodeBase64, isRetrievalSigned } from '@keyhsm/protocol'
import { audited, auditRefusal, type Operation } from '../audited.js'
import { findOwn } from '../deposits/find-own.js'
import { type Retrieval, readFacts } from '../deposits/retrieval-facts.js'
import { decide, refusal } from '../policies/decide.js'
import { rawIdentityKey } from '../policies/trustees.js'
import type { RetrievalRequest } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import { changeRequest } from './change-request.js'
import { everyRequest, findRequest } from './find-request.js'
import { type KnownRequest, statementOf } from './request-reply.js'

/** Requests of one client that may be open at a time. */
const maxOpen = 100

/**
 * @throws what a retrieval is refused with, but for approvals; ERR_CONFLICT when the deposit has no trustees; ERR_QUOTA.
 */
export async function askRetrieval(
  trustee: Trustee,
  caller: Caller,
  retrieval: Retrieval,
): Promise<KnownRequest> {
  const found = await findOwn(trustee, caller, { ...retrieval, operation: 'get' })
  const { deposit, revision } = found
  const facts = await readFacts(trustee, caller, retrieval, found)
  const { trustees } = deposit.policy ?? {}
  const decision = decide({ ...facts, approvals: trustees?.required ?? 0 })
  const { uuid, organisation, handle } = deposit
  const subject = { organisation, deposit: uuid, handle, revision: revision.revision }
  const request: RetrievalRequest = trustee.grants.request({
    uuid: newUuid(),
    deposit: uuid,
    revision: revision.revision,
    organisation,
    client: caller.client.uuid,
    clientKey: rawIdentityKey(caller.client.identityKey).toString('base64'),
    clientSignature: undefined,
    state: 'open',
    createdAt: trustee.clock.now(),
    expiresAt: new Date(trustee.clock.now().getTime() + trustee.limits.approvalMs),
  })
  const operation: Operation = {
    operation: 'request',
    requestId: retrieval.requestId,
    actor: caller.client.uuid,
    subjects: [{ ...subject, request: request.uuid }],
  }
  if (!decision.allowed) {
    await auditRefusal(trustee.audit, operation, 'refused', decision.reason)
    throw refusal(decision.reason, deposit)
  }
  if (!trustees)
    throw new DomainError('ERR_CONFLICT', 'the deposit has no trustees: it needs no approval')
  await requireRoom(trustee, caller)
  await audited(trustee.audit, operation, 'done', () =>
    trustee.store.withTransaction((transaction) => transaction.saveRetrievalRequest(request)),
  )
  return { request, deposit, trustees, verdicts: [] }
}

/**
 * @throws ERR_NOT_FOUND; ERR_NOT_ALLOWED when it is not the caller's; ERR_INVALID_INPUT for a signature that is not right;
 * ERR_CONFLICT when the request is over.
 */
export async function signRequest(
  trustee: Trustee,
  caller: Caller,
  o: { readonly uuid: Uuid; readonly signature: string },
): Promise<KnownRequest> {
  const known = await findRequest(trustee, caller, o.uuid)
  const { request } = known
  if (request.client !== caller.client.uuid)
    throw new DomainError('ERR_NOT_ALLOWED', 'only the client that asks signs its request')
  const key = Buffer.from(request.clientKey, 'base64')
  const signature = decodeBase64(o.signature, 'signature')
  if (!isRetrievalSigned(statementOf(request), 'request', { key, signature }))
    throw new DomainError('ERR_INVALID_INPUT', 'signature is not right', {
      faults: [{ field: 'signature', rule: 'must be the client’s over the statement' }],
    })
  const signed = await changeRequest(trustee, known, async (transaction, now) => {
    const row = trustee.grants.request({ ...now, clientSignature: o.signature })
    await transaction.saveRetrievalRequest(row)
    return row
  })
  return { ...known, request: signed }
}

async function requireRoom({ store, clock }: Trustee, { client, organisation }: Caller) {
  let open = 0
  for await (const row of everyRequest(store, {
    organisation: organisation.uuid,
    after: clock.now(),
  }))
    if (row.client === client.uuid && row.state === 'open') open += 1
  if (open >= maxOpen)
    throw new DomainError('ERR_QUOTA', `${maxOpen} requests of this client are open already`)
}
