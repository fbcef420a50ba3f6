/**
 * Storing, the story of `put` and of a batch:
 * reserve (handles, conditions, quotas) → audit intent → Key HSM seals → insert and commit → audit outcome → reply.
 */
import { hasCode, reached } from '@keyhsm/core'
import { audited, auditRefusal, type Operation } from '../audited.js'
import { noSuchDeposit } from '../policies/decide.js'
import type { Sealer } from '../sealing/sealer.js'
import { CommitUnknown } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import { commitPuts, type StoreReply } from './commit-puts.js'
import { requestHash, type StoreRequest } from './orders.js'
import { releaseReservation } from './release-reservation.js'
import { type Reservation, reservePuts } from './reserve-puts.js'
import { discardKeys, sealPuts } from './seal-puts.js'

/**
 * One effect and one answer a request id, however often it is sent.
 * @throws ERR_NOT_JOINED; what {@link reservePuts} refuses with; ERR_STORE_UNAVAILABLE, ERR_AUDIT_UNAVAILABLE and the
 * HSM's own when nothing was acknowledged: repeating the request is right.
 */
export function storeDeposits(
  trustee: Trustee,
  caller: Caller,
  request: StoreRequest,
): Promise<StoreReply> {
  const sealer = trustee.sealing.forPut()
  const hash = requestHash(trustee.grants, request)
  const owner = caller.client.uuid
  const handles = [...request.puts.map(({ handle }) => handle), ...request.removes]
  const keys = handles.map((handle) => `${owner}/${handle}`)
  return trustee.queue.once({ key: `${owner}/${request.requestId}`, hash }, () =>
    trustee.queue.withKeys(keys, async () => {
      const reserved = await reservePuts(trustee, caller, sealer, { request, hash }).catch(
        (error: unknown) => auditIntegrity(trustee, caller, request, error),
      )
      if ('reply' in reserved) return JSON.parse(reserved.reply) as StoreReply
      reached('put:reserved')
      return storeReserved(trustee, caller, { request, hash, sealer, reserved })
    }),
  )
}

interface Reserved {
  readonly request: StoreRequest
  readonly hash: ReturnType<typeof requestHash>
  readonly sealer: Sealer
  readonly reserved: Reservation
}

async function storeReserved(trustee: Trustee, caller: Caller, o: Reserved): Promise<StoreReply> {
  try {
    const reply = await audited(trustee.audit, operationOf(caller, o), 'stored', async () => {
      reached('put:intent-audited')
      return sealAndCommit(trustee, caller, o)
    })
    reached('put:outcome-audited')
    return reply
  } catch (error) {
    if (!(error instanceof CommitUnknown)) await releaseReservation(trustee, caller, o)
    throw error
  }
}

async function sealAndCommit(trustee: Trustee, caller: Caller, o: Reserved): Promise<StoreReply> {
  const { request, hash, sealer, reserved } = o
  const puts = await sealPuts(sealer, caller, request.requestId, reserved.puts)
  const { removes } = reserved
  const { sealing } = sealer
  try {
    const reply = await commitPuts(trustee, caller, { request, hash, sealing, puts, removes })
    reached('put:committed')
    return reply
  } catch (error) {
    // After an unknown commit the rows may need these keys: they are left to prune.
    if (!(error instanceof CommitUnknown)) await discardKeys(sealer, request.requestId, puts)
    throw error
  }
}

function operationOf(caller: Caller, { request, reserved }: Reserved): Operation {
  const organisation = caller.organisation.uuid
  const puts = reserved.puts.map(({ order, deposit, revision }) => ({
    organisation,
    deposit,
    handle: order.handle,
    revision,
  }))
  const removes = reserved.removes.map(({ before }) => ({
    organisation,
    deposit: before.uuid,
    handle: before.handle,
    removes: before.revision,
  }))
  return {
    operation: request.operation,
    requestId: request.requestId,
    actor: caller.client.uuid,
    subjects: [...puts, ...removes],
  }
}

/** A row whose grant is not ours: the audit says so, the caller hears that it is not there. */
async function auditIntegrity(
  trustee: Trustee,
  caller: Caller,
  { operation, requestId, puts, removes }: StoreRequest,
  error: unknown,
): Promise<never> {
  if (!hasCode(error, 'ERR_INTEGRITY')) throw error
  const handles = [...puts.map(({ handle }) => handle), ...removes]
  const subjects = handles.map((handle) => ({ handle }))
  const actor = caller.client.uuid
  await auditRefusal(trustee.audit, { operation, requestId, actor, subjects }, 'integrity', 'grant')
  throw noSuchDeposit()
}
