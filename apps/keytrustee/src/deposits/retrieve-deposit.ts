import { audited, auditRefusal } from '../audited.js'
import { believedGroupsOf } from '../policies/believed-groups.js'
import { giveBackUse, takeUse } from '../policies/count-retrieval.js'
import { decide, type Facts, noSuchDeposit, refusal } from '../policies/decide.js'
import { readUsed } from '../policies/explain-policy.js'
import type { Sealer } from '../sealing/sealer.js'
import { releasedNothing } from '../sealing/released-nothing.js'
import type { Caller, Trustee } from '../trustee.js'
import { type DepositReply, toDepositReply } from './deposit-field.js'
import { findOwn, type Found, type Lookup } from './find-own.js'

export interface Retrieved {
  readonly deposit: DepositReply
  readonly revision: number
  readonly content: Buffer
}

export interface Retrieval extends Omit<Lookup, 'operation'> {
  /** The caller's IP address. */
  readonly from: string
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
  const found = await findOwn(trustee, caller, { ...retrieval, operation: 'get' })
  const operation = operationOf(caller, retrieval, found)
  const facts = await readFacts(trustee, caller, retrieval, found)
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
  const content = await audited(trustee.audit, operation, 'released', () =>
    found.deposit.policy?.maxRetrievals === undefined
      ? openFound(sealer, retrieval, found)
      : openCounted(trustee, sealer, retrieval, { found, facts }),
  )
  const latest = await latestOf(trustee, found)
  return { deposit: latest, revision: found.revision.revision, content }
}

async function readFacts(
  trustee: Trustee,
  { client }: Caller,
  { from }: Retrieval,
  { deposit }: Found,
): Promise<Facts> {
  const named = deposit.owner !== client.uuid && deposit.policy?.groups !== undefined
  return {
    client,
    groups: named ? await believedGroupsOf(trustee, client) : [],
    deposit,
    revoked: trustee.revocations.has(deposit.uuid),
    now: trustee.clock.now(),
    from,
    used: await readUsed(trustee, deposit),
  }
}

async function openCounted(
  trustee: Trustee,
  sealer: Sealer,
  retrieval: Retrieval,
  { found, facts }: { readonly found: Found; readonly facts: Facts },
): Promise<Buffer> {
  await takeUse(trustee, facts)
  return openFound(sealer, { ...retrieval, once: true }, found).catch(async (error: unknown) => {
    if (releasedNothing(error)) await giveBackUse(trustee, found.deposit.uuid)
    throw error
  })
}

function openFound(
  sealer: Sealer,
  { requestId, once }: Retrieval & { readonly once?: true },
  { deposit, revision }: Found,
): Promise<Buffer> {
  const { uuid, organisation, handle } = deposit
  const context = { organisation, deposit: uuid, handle, revision: revision.revision }
  return sealer.open({ requestId, context, stored: revision.stored, ...(once ? { once } : {}) })
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
