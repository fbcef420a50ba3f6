import { DomainError, type Uuid } from '@keyhsm/core'
import type { Found } from '../deposits/find-own.js'
import type { OpenOrder } from '../sealing/sealer.js'
import type { RetrievalRequest, Transaction } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import { complete, noSuchRequest } from './find-request.js'
import { approvalsOf } from './request-reply.js'

/** A request with the approvals that count. */
export interface Approved {
  readonly request: RetrievalRequest
  readonly approvals: readonly { readonly key: Buffer; readonly signature: Buffer }[]
}

/**
 * The caller's request for what was found; undefined when none was named.
 * @throws ERR_NOT_FOUND for another's, one for another deposit or revision, and one that is not signed.
 */
export async function findApproved(
  trustee: Trustee,
  { client }: Caller,
  { uuid, found }: { readonly uuid: Uuid | undefined; readonly found: Found },
): Promise<Approved | undefined> {
  if (uuid === undefined) return undefined
  const request = await trustee.store.findRetrievalRequest(uuid)
  const known = request && (await complete(trustee, trustee.store, request))
  const fits =
    known?.request.client === client.uuid &&
    known.request.clientSignature !== undefined &&
    known.request.deposit === found.deposit.uuid &&
    known.request.revision === found.revision.revision
  if (!known || !fits) throw noSuchRequest()
  return { request: known.request, approvals: approvalsOf(known) }
}

/**
 * The same with what trustees say by now, locked until the transaction ends: what was taken back meanwhile does not count.
 * @throws ERR_NOT_ALLOWED when it is not open any more.
 */
export async function lockApproved(
  trustee: Pick<Trustee, 'grants' | 'clock'>,
  transaction: Transaction,
  { request: { uuid } }: Approved,
): Promise<Approved> {
  const request = await transaction.lockRetrievalRequest(uuid)
  const open = request?.state === 'open' && request.expiresAt > trustee.clock.now()
  const known = open ? await complete(trustee, transaction, request) : undefined
  if (!known)
    throw new DomainError('ERR_NOT_ALLOWED', 'the approvals of this request are used or withdrawn')
  return { request: known.request, approvals: approvalsOf(known) }
}

/** As Key HSM is handed it. */
export function toApproval({ request, approvals }: Approved): NonNullable<OpenOrder['approval']> {
  const { uuid, client, clientKey, clientSignature = '', expiresAt } = request
  return {
    request: uuid,
    client,
    clientKey,
    clientSignature,
    expiresAt: expiresAt.toISOString(),
    approvals: approvals.map(({ key, signature }) => ({
      key: key.toString('base64'),
      signature: signature.toString('base64'),
    })),
  }
}
