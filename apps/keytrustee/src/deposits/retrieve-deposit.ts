import { audited, auditRefusal } from '../audited.js'
import { decide, noSuchDeposit, refusal } from '../policies/decide.js'
import type { Sealer } from '../sealing/sealer.js'
import type { Caller, Trustee } from '../trustee.js'
import { type DepositReply, toDepositReply } from './deposit-field.js'
import { findOwn, type Found, type Lookup } from './find-own.js'

export interface Retrieved {
  readonly deposit: DepositReply
  readonly revision: number
  readonly content: Buffer
}

/**
 * find → grant → decide → audit intent → open → audit outcome → content.
 * @throws ERR_NOT_FOUND (absent, foreign, not ours), ERR_DISABLED; ERR_IRRETRIEVABLE whatever made it so; the HSM's,
 * store's and audit's own when it could not be asked.
 */
export async function retrieveDeposit(
  trustee: Trustee,
  caller: Caller,
  lookup: Omit<Lookup, 'operation'>,
): Promise<Retrieved> {
  const found = await findOwn(trustee, caller, { ...lookup, operation: 'get' })
  const operation = operationOf(caller, lookup, found)
  const revoked = trustee.revocations.has(found.deposit.uuid)
  const decision = decide({ client: caller.client, deposit: found.deposit, revoked })
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
    openFound(sealer, lookup, found),
  )
  const latest = await latestOf(trustee, found)
  return { deposit: latest, revision: found.revision.revision, content }
}

function openFound(
  sealer: Sealer,
  { requestId }: Omit<Lookup, 'operation'>,
  { deposit, revision }: Found,
): Promise<Buffer> {
  const { uuid, organisation, handle } = deposit
  const context = { organisation, deposit: uuid, handle, revision: revision.revision }
  return sealer.open({ requestId, context, stored: revision.stored })
}

function operationOf(
  caller: Caller,
  { requestId }: Omit<Lookup, 'operation'>,
  { deposit, revision }: Found,
) {
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
