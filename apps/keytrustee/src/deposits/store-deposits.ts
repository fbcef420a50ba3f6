/**
 * Storing, the story of `put` and of a batch:
 * plan (handles, conditions, quotas) → audit intent → Key HSM seals → insert and commit → audit outcome → reply.
 * A plan that makes HSM keys, which no roll-back takes back, is reserved in a transaction of its own.
 */
import { hasCode, reached } from '@keyhsm/core'
import { audited, auditRefusal, type Operation } from '../audited.js'
import { noSuchDeposit } from '../policies/decide.js'
import { CommitUnknown, DirectionChanged, type RequestResult } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import { commitPuts, type StoreReply } from './commit-puts.js'
import { requestHash, type StoreRequest } from './orders.js'
import { type Asked, type Plan, planPuts } from './plan-puts.js'
import { releaseReservation } from './release-reservation.js'
import { reservePuts } from './reserve-puts.js'
import { discardKeys, sealPuts } from './seal-puts.js'

/**
 * One effect and one answer a request id, however often it is sent.
 * @throws ERR_NOT_JOINED; what {@link planPuts} refuses with; ERR_STORE_UNAVAILABLE, ERR_AUDIT_UNAVAILABLE and the
 * HSM's own when nothing was acknowledged: repeating the request is right.
 */
export function storeDeposits(
  trustee: Trustee,
  caller: Caller,
  request: StoreRequest,
): Promise<StoreReply> {
  // Refused before anything is looked up.
  trustee.sealing.forPut()
  const hash = requestHash(trustee.grants, request)
  const owner = caller.client.uuid
  const handles = [...request.puts.map(({ handle }) => handle), ...request.removes]
  const keys = handles.map((handle) => `${owner}/${handle}`)
  return trustee.queue.once({ key: `${owner}/${request.requestId}`, hash }, () =>
    trustee.queue.withKeys(keys, () => planAndStore(trustee, caller, { request, hash })),
  )
}

/** After the first, when something changed between plan and commit: then the next plan says how it stands. */
const repetitions = 2

async function planAndStore(
  trustee: Trustee,
  caller: Caller,
  which: Pick<Planned, 'request' | 'hash'>,
): Promise<StoreReply> {
  for (let left = repetitions; ; left -= 1) {
    const asked = { ...which, ...wayOf(trustee, which.request) }
    const plan = await settle(trustee, caller, asked).catch((error: unknown) =>
      auditIntegrity(trustee, caller, asked.request, error),
    )
    if ('reply' in plan) return replyOf(plan)
    try {
      return await storePlanned(trustee, caller, { ...asked, plan })
    } catch (error) {
      if (left === 0 || !(await mayGoAgain(trustee, asked, error))) throw error
    }
  }
}

/** How new deposits are sealed now, and which direction that follows: read in one step. */
function wayOf(
  { sealing, directions }: Trustee,
  { puts }: StoreRequest,
): Pick<Planned, 'sealer' | 'directed' | 'reserves'> {
  const sealer = sealing.forPut()
  const reserves = puts.some(({ scope }) => sealer.makesKey(scope))
  return { sealer, directed: directions.own, reserves }
}

async function mayGoAgain(
  { directions }: Trustee,
  asked: Pick<Planned, 'reserves'>,
  error: unknown,
): Promise<boolean> {
  if (!(error instanceof DirectionChanged)) return lostRace(asked, error)
  await directions.follow()
  return true
}

/** With a reservation a conflict may also mean that a repetition of the request took it over: then that one goes on. */
function lostRace({ reserves }: Pick<Planned, 'reserves'>, error: unknown): boolean {
  if (hasCode(error, 'ERR_ALREADY_EXISTS')) return true
  return !reserves && (hasCode(error, 'ERR_CONFLICT') || hasCode(error, 'ERR_QUOTA'))
}

interface Planned extends Asked {
  readonly directed: number | undefined
  /** Whether the plan has its place in the database already. */
  readonly reserves: boolean
  readonly plan: Plan
}

async function settle(
  trustee: Trustee,
  caller: Caller,
  asked: Omit<Planned, 'plan'>,
): Promise<RequestResult | Plan> {
  if (!asked.reserves) return planPuts(trustee, trustee.store, caller, asked)
  const plan = await reservePuts(trustee, caller, asked)
  if (!('reply' in plan)) reached('put:reserved')
  return plan
}

async function storePlanned(trustee: Trustee, caller: Caller, o: Planned): Promise<StoreReply> {
  try {
    const reply = await audited(trustee.audit, operationOf(caller, o), 'stored', async () => {
      reached('put:intent-audited')
      return sealAndCommit(trustee, caller, o)
    })
    reached('put:outcome-audited')
    return reply
  } catch (error) {
    if (o.reserves && !(error instanceof CommitUnknown))
      await releaseReservation(trustee, caller, o)
    throw error
  }
}

async function sealAndCommit(trustee: Trustee, caller: Caller, o: Planned): Promise<StoreReply> {
  const { request, hash, sealer, directed, plan, reserves: reserved } = o
  const puts = await sealPuts(sealer, caller, request.requestId, plan.puts)
  const { removes } = plan
  const { sealing } = sealer
  try {
    const commit = { request, hash, reserved, sealing, directed, puts, removes }
    const reply = await commitPuts(trustee, caller, commit)
    reached('put:committed')
    return reply
  } catch (error) {
    // After an unknown commit the rows may need these keys: they are left to prune.
    if (!(error instanceof CommitUnknown)) await discardKeys(sealer, request.requestId, puts)
    throw error
  }
}

function replyOf({ reply }: RequestResult): StoreReply {
  return JSON.parse(reply) as StoreReply
}

function operationOf(caller: Caller, { request, plan }: Planned): Operation {
  const organisation = caller.organisation.uuid
  const puts = plan.puts.map(({ order, deposit, revision }) => ({
    organisation,
    deposit,
    handle: order.handle,
    revision,
  }))
  const removes = plan.removes.map(({ before }) => ({
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
