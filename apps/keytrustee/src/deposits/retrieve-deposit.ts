import { hasCode } from '@keyhsm/core'
import { heldDeposit } from '../backup/holds.js'
import { audited, auditRefusal } from '../audited.js'
import { giveBackUse, takeUse } from '../policies/count-retrieval.js'
import { decide, type Facts, noSuchDeposit, refusal } from '../policies/decide.js'
import { type Approved, findApproved, toApproval } from '../requests/find-approved.js'
import type { OpenOrder, Sealer } from '../sealing/sealer.js'
import { releasedNothing } from '../sealing/released-nothing.js'
import { type Reach, readOnlyHere, type Revision } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import { type DepositReply, toDepositReply } from './deposit-field.js'
import { findOwn, type Found } from './find-own.js'
import { readFacts, type Retrieval } from './retrieval-facts.js'

export interface Retrieved {
  readonly deposit: DepositReply
  readonly revision: number
  readonly content: Buffer
  /** It may be older than what other servers know by now: read where no primary was reached. */
  readonly standby: boolean
}

/**
 * find → grant → decide → audit intent → take a use (where they are counted) → open → audit outcome → content.
 * @throws ERR_NOT_FOUND (absent, foreign, not ours), ERR_DISABLED, ERR_NOT_ALLOWED (its policy); ERR_IRRETRIEVABLE whatever
 * made it so; the HSM's, store's and audit's own when it could not be asked.
 */
export async function retrieveDeposit(
  trustee: Trustee,
  caller: Caller,
  retrieval: Retrieval,
): Promise<Retrieved> {
  const reach = trustee.store.reach()
  const found = await findOwn(trustee, caller, { ...retrieval, operation: 'get' })
  const operation = operationOf(caller, retrieval, found)
  if (trustee.holds.deposit(found.deposit.uuid)) {
    await auditRefusal(trustee.audit, operation, 'refused', 'held')
    throw heldDeposit()
  }
  const { mode, elsewhere } = reach
  // A copy may not know yet of an approval, or of a use: the writer decides.
  if (needsWriter(found) && mode !== 'writer') throw readOnlyHere(elsewhere)
  const approved = await findApproved(trustee, caller, { uuid: retrieval.request, found })
  const approvals = approved?.approvals.length ?? 0
  const facts = { ...(await readFacts(trustee, caller, retrieval, found)), approvals }
  const decision = decide(facts)
  if (!decision.allowed) {
    await auditRefusal(trustee.audit, operation, 'refused', decision.reason)
    throw refusal(decision.reason, found.deposit)
  }
  const sealer = trustee.sealing.forRetrieval(found.revision.sealing)
  if (!sealer) {
    await auditRefusal(trustee.audit, operation, 'integrity', 'sealing')
    throw noSuchDeposit()
  }
  const once = approved !== undefined || found.deposit.policy?.maxRetrievals !== undefined
  const content = await audited(trustee.audit, operation, 'released', () =>
    !once
      ? openFound(trustee, sealer, retrieval, { found })
      : openOnce(trustee, sealer, retrieval, { found, facts, approved }),
  )
  const latest = await latestOf(trustee, found)
  const standby = !isSame(reach, trustee.store.reach())
  return { deposit: latest, revision: found.revision.revision, content, standby }
}

function needsWriter({ deposit: { policy } }: Found): boolean {
  return policy?.maxRetrievals !== undefined || policy?.trustees !== undefined
}

/** What was read between the two came from one primary, which was the only one all the while. */
function isSame(before: Reach, after: Reach): boolean {
  const writer = before.mode === 'writer' && after.mode === 'writer'
  return writer && before.generation === after.generation
}

async function openOnce(
  trustee: Trustee,
  sealer: Sealer,
  retrieval: Retrieval,
  o: { readonly found: Found; readonly facts: Facts; readonly approved: Approved | undefined },
): Promise<Buffer> {
  const { found, facts, approved } = o
  const taken = await takeUse(trustee, facts, approved)
  const approval = taken && toApproval(taken)
  const once = { found, once: true, ...(approval ? { approval } : {}) } as const
  return openFound(trustee, sealer, retrieval, once).catch(async (error: unknown) => {
    if (releasedNothing(error)) await giveBackUse(trustee, found.deposit, taken?.request)
    throw error
  })
}

/**
 * A deposit that was moved after it was found has its HSM key revoked as soon as the move is final: then its new form is
 * opened, which is the same content.
 */
async function openFound(
  { store, sealing }: Trustee,
  sealer: Sealer,
  { requestId }: Retrieval,
  { found, ...how }: Pick<OpenOrder, 'once' | 'approval'> & { readonly found: Found },
): Promise<Buffer> {
  const { deposit, revision } = found
  const { uuid, organisation, handle } = deposit
  const context = { organisation, deposit: uuid, handle, revision: revision.revision }
  const open = (by: Sealer, { stored, canary }: Revision) =>
    by.open({ requestId, context, stored, canary, ...how })
  return open(sealer, revision).catch(async (error: unknown) => {
    if (!hasCode(error, 'ERR_IRRETRIEVABLE')) throw error
    const now = await store.findRevision(uuid, revision.revision)
    const moved = now !== undefined && now.hsmKeyId !== revision.hsmKeyId
    const by = moved ? sealing.forRetrieval(now.sealing) : undefined
    if (!moved || !by || now.stored.length === 0) throw error
    return open(by, now)
  })
}

function operationOf(caller: Caller, { requestId }: Retrieval, { deposit, revision }: Found) {
  const { organisation, uuid, handle } = deposit
  const subject = { organisation, deposit: uuid, handle, revision: revision.revision }
  return { operation: 'get', requestId, actor: caller.client.uuid, subjects: [subject] }
}

/** An earlier revision was asked for by its uuid: the reply still describes the deposit's newest. */
async function latestOf({ store }: Trustee, { deposit, revision }: Found): Promise<DepositReply> {
  if (revision.revision === deposit.revision) return toDepositReply(deposit, revision)
  const latest = await store.findRevision(deposit.uuid, deposit.revision)
  if (!latest) throw noSuchDeposit()
  return toDepositReply(deposit, latest)
}
