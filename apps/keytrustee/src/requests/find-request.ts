import { DomainError, type Uuid } from '@keyhsm/core'
import { rawIdentityKey, type Trustees } from '../policies/trustees.js'
import type { Reader, RetrievalRequest, Verdict } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import { type KnownRequest, stateOf } from './request-reply.js'

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

/** Requests that one call of {@link listRequests} looks at: others of the organisation may be none of the caller's affair. */
const looksAt = 500
const over: ReadonlySet<string> = new Set(['used', 'withdrawn', 'expired'])

export interface RequestPage {
  readonly requests: readonly KnownRequest[]
  /** Where to go on: there may be more. */
  readonly next: Uuid | undefined
}

/** Those of the caller, and those it is a trustee of, that are not over; the first to expire first. */
export async function listRequests(
  trustee: Trustee,
  caller: Caller,
  behind?: Uuid,
): Promise<RequestPage> {
  const { store, clock } = trustee
  const after = clock.now()
  const from = behind === undefined ? {} : { behind }
  const wanted = { organisation: caller.organisation.uuid, after, limit: looksAt, ...from }
  const rows = await store.listRetrievalRequests(wanted)
  const known = await Promise.all(rows.map((row) => complete(trustee, store, row)))
  const requests = known.flatMap((one) => (one && mayKnow(caller, one) ? [one] : []))
  return {
    requests: requests.filter((one) => !over.has(stateOf(one, after))),
    next: rows.length < looksAt ? undefined : rows.at(-1)?.uuid,
  }
}

/** Every request of an organisation that is not expired, page by page. */
export async function* everyRequest(
  store: Pick<Reader, 'listRetrievalRequests'>,
  o: { readonly organisation: Uuid; readonly after: Date },
): AsyncGenerator<RetrievalRequest> {
  let page = await store.listRetrievalRequests({ ...o, limit: looksAt })
  for (;;) {
    yield* page
    const last = page.at(-1)
    if (!last || page.length < looksAt) return
    page = await store.listRetrievalRequests({ ...o, limit: looksAt, behind: last.uuid })
  }
}

/** The request with what it is about; undefined when a row is not ours or the deposit needs no approval any more. */
export async function complete(
  { grants }: Pick<Trustee, 'grants'>,
  store: Pick<Reader, 'findDepositByUuid' | 'listVerdicts' | 'findClient'>,
  request: RetrievalRequest,
): Promise<KnownRequest | undefined> {
  if (!grants.believesRequest(request)) return undefined
  const deposit = (await store.findDepositByUuid(request.deposit))?.deposit
  const trustees = deposit?.policy?.trustees
  if (!deposit || !trustees || !grants.believesDeposit(deposit)) return undefined
  // Trustees belong to the revision they were sealed with.
  if (deposit.revision !== request.revision) return undefined
  const given = await store.listVerdicts(request.uuid)
  const count = await Promise.all(
    given.map(({ trustee }) => mayDecide({ grants }, store, { trustee, trustees })),
  )
  return { request, deposit, trustees, verdicts: given.filter((_, index) => count[index]) }
}

/**
 * A trustee's word counts while it is an active client with the key that was sealed: an approval that somebody gave who was
 * then disabled, or whose keys were lost, must not release anything.
 */
async function mayDecide(
  { grants }: Pick<Trustee, 'grants'>,
  store: Pick<Reader, 'findClient'>,
  { trustee, trustees }: { readonly trustee: Verdict['trustee']; readonly trustees: Trustees },
): Promise<boolean> {
  const client = await store.findClient({ uuid: trustee })
  if (client?.state !== 'active' || !grants.believesClient(client)) return false
  const key = rawIdentityKey(client.identityKey).toString('base64')
  return trustees.trustees.some((sealed) => sealed.client === trustee && sealed.key === key)
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
