import { DomainError, type Uuid } from '@keyhsm/core'
import type { Reader, RetrievalRequest } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import type { KnownRequest } from './request-reply.js'

/**
 * A request that the caller made or is a trustee of, with its deposit and verdicts.
 * @throws ERR_NOT_FOUND for any other, and for rows that are not ours.
 */
export async function findRequest(
  trustee: Trustee,
  caller: Caller,
  uuid: Uuid,
): Promise<KnownRequest> {
  const request = await trustee.store.findRetrievalRequest(uuid)
  const known = request && (await complete(trustee, trustee.store, request))
  if (!known || !mayKnow(caller, known)) throw noSuchRequest()
  return known
}

/** Those of the caller's organisation that are not expired, oldest first. */
export async function listRequests(
  trustee: Trustee,
  caller: Caller,
): Promise<readonly KnownRequest[]> {
  const { store, clock } = trustee
  const organisation = caller.organisation.uuid
  const rows = await store.listRetrievalRequests({ organisation, after: clock.now(), limit: 1000 })
  const known = await Promise.all(rows.map((row) => complete(trustee, store, row)))
  return known.flatMap((one) => (one && mayKnow(caller, one) ? [one] : []))
}

/** The request with what it is about; undefined when a row is not ours or the deposit needs no approval any more. */
export async function complete(
  { grants }: Pick<Trustee, 'grants'>,
  store: Pick<Reader, 'findDepositByUuid' | 'listVerdicts'>,
  request: RetrievalRequest,
): Promise<KnownRequest | undefined> {
  if (!grants.believesRequest(request)) return undefined
  const deposit = (await store.findDepositByUuid(request.deposit))?.deposit
  const trustees = deposit?.policy?.trustees
  if (!deposit || !trustees || !grants.believesDeposit(deposit)) return undefined
  // Trustees belong to the revision they were sealed with.
  if (deposit.revision !== request.revision) return undefined
  return { request, deposit, trustees, verdicts: await store.listVerdicts(request.uuid) }
}

export function isTrustee(
  { client }: Caller,
  { trustees }: Pick<KnownRequest, 'trustees'>,
): boolean {
  return trustees.trustees.some((trustee) => trustee.client === client.uuid)
}

/** Trustees know of a request once it is signed. */
function mayKnow(caller: Caller, known: KnownRequest): boolean {
  if (known.request.organisation !== caller.organisation.uuid) return false
  if (known.request.client === caller.client.uuid) return true
  return known.request.clientSignature !== undefined && isTrustee(caller, known)
}

export function noSuchRequest(): DomainError {
  return new DomainError('ERR_NOT_FOUND', 'there is no such request')
}
