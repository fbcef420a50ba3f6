/**
 * Making a deposit unreadable for ever: commit `purging` → revoke the HSM keys of all its revisions → drop the sealed bytes,
 * commit `purged`. From the first commit on nothing opens it; what a fault cuts off after it is taken up again.
 */
import { DomainError, hasCode, newUuid, reached, type Uuid } from '@keyhsm/core'
import { audited } from '../audited.js'
import { noSuchDeposit } from '../policies/decide.js'
import type { Deposit, Reader, RevisionMeta } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { type DepositReply, toDepositReply } from './deposit-field.js'
import { auditRefusedForms, type RefusedForm, revokeForms } from './revoke-forms.js'
import { formerKey, idsOf, readSealedKeys, type SealedKeys } from './sealed-keys.js'

export interface PurgeOrder {
  readonly requestId: Uuid
  /** Owner or administrator. */
  readonly actor: string
  /** Ends it also where the bytes do not show that an HSM key is this deposit's own: such keys are left to prune. */
  readonly leaveKeys?: boolean
}

export interface Purged {
  /** In state `purged`, or `purging` when keys could not be revoked: unreadable all the same. */
  readonly deposit: DepositReply
  readonly revokedKeys: number
  /** HSM keys that stay, because the stored bytes do not show that they are this deposit's own. */
  readonly refusedKeys: number
  /** Revisions under a shared HSM key, or under none: their bytes in older backups still open. */
  readonly sharedRevisions: number
}

interface Purging extends SealedKeys {
  readonly deposit: Deposit
  readonly latest: RevisionMeta
}

/**
 * Purges a deposit, in whatever state it is; again on one that is purged changes nothing.
 * @throws ERR_NOT_FOUND, ERR_STORE_UNAVAILABLE, ERR_AUDIT_UNAVAILABLE before anything changed. What goes wrong afterwards
 * is in the audit and leaves the deposit in `purging`.
 */
export async function purgeDeposit(
  trustee: Trustee,
  order: PurgeOrder,
  uuid: Uuid,
): Promise<Purged> {
  const deposit = (await trustee.store.findDepositByUuid(uuid))?.deposit
  if (!deposit || !trustee.grants.believesDeposit(deposit)) throw noSuchDeposit()
  return trustee.queue.withKeys([`${deposit.owner}/${deposit.handle}`], async () => {
    const operation = operationOf('purge', order, deposit)
    const purging = await audited(trustee.audit, operation, 'done', () =>
      beginPurge(trustee, order, deposit),
    )
    reached('purge:begun')
    const end = await finishPurge(trustee, order, purging).catch(() => undefined)
    return {
      deposit: toDepositReply(end?.deposit ?? purging.deposit, purging.latest),
      revokedKeys: end?.revokedKeys ?? 0,
      refusedKeys: end?.refusedKeys ?? 0,
      sharedRevisions: purging.sharedRevisions,
    }
  })
}

/** When to try again what was refused: by deposit, in milliseconds. A person may have put the rows right. */
export type RefusedPurges = Map<Uuid, number>

const refusedForMs = 10 * 60_000

/**
 * Takes up purges that were cut off. @returns how many are done now, how many the HSM could not be asked about, and how many
 * wait for an administrator: what is stored does not show that their HSM keys are theirs
 */
export async function resumePurges(
  trustee: Trustee,
  refused: RefusedPurges = new Map(),
): Promise<{ done: number; left: number; refused: number }> {
  const order = { requestId: newUuid(), actor: 'service' }
  const outcome = { done: 0, left: 0, refused: 0 }
  const listed = await trustee.store.listPurging()
  forgetEnded(refused, listed)
  for (const deposit of listed) {
    if (!trustee.grants.believesDeposit(deposit)) continue
    const now = trustee.clock.now().getTime()
    const waits = now < (refused.get(deposit.uuid) ?? 0)
    const end = waits ? 'refused' : await resume(trustee, order, deposit)
    if (end !== 'refused') refused.delete(deposit.uuid)
    else if (!waits) refused.set(deposit.uuid, now + refusedForMs)
    if (end !== 'ended') outcome[end] += 1
  }
  return outcome
}

function forgetEnded(refused: RefusedPurges, listed: readonly Deposit[]): void {
  const open = new Set(listed.map(({ uuid }) => uuid))
  for (const uuid of refused.keys()) if (!open.has(uuid)) refused.delete(uuid)
}

/** `ended`: by somebody else, since it was listed. */
function resume(
  trustee: Trustee,
  order: PurgeOrder,
  { uuid, owner, handle }: Deposit,
): Promise<'done' | 'left' | 'refused' | 'ended'> {
  const work = async () => {
    const deposit = (await trustee.store.findDepositByUuid(uuid))?.deposit
    if (deposit?.state !== 'purging' || !trustee.grants.believesDeposit(deposit)) return 'ended'
    const purging = await readPurging(trustee, trustee.store, deposit)
    const end = await finishPurge(trustee, order, purging)
    return end.deposit.state === 'purged' ? 'done' : 'refused'
  }
  return trustee.queue.withKeys([`${owner}/${handle}`], work).catch(() => 'left')
}

/** Purges anew what a database restored from before a purge has brought back. */
export async function reviveRevocations(trustee: Trustee): Promise<void> {
  const order = { requestId: newUuid(), actor: 'service' }
  for (const { deposit: uuid } of trustee.revocations.list()) {
    const deposit = (await trustee.store.findDepositByUuid(uuid))?.deposit
    if (!deposit || deposit.state === 'purged' || deposit.state === 'purging') continue
    await audited(trustee.audit, operationOf('purge-again', order, deposit), 'done', () =>
      beginPurge(trustee, order, deposit),
    )
  }
}

/** One transaction in which no put of the deposit can be on its way to a commit. */
function beginPurge(trustee: Trustee, order: PurgeOrder, found: Deposit): Promise<Purging> {
  const { store, grants, clock } = trustee
  return store.withTransaction(async (transaction) => {
    await transaction.lockOrganisation(found.organisation)
    await transaction.deletePendingPutsOf(found.uuid)
    const before = (await transaction.findDepositByUuid(found.uuid))?.deposit
    if (!before || !grants.believesDeposit(before)) throw noSuchDeposit()
    if (before.state === 'purging' || before.state === 'purged')
      return readPurging(trustee, transaction, before)
    const now = clock.now()
    const row = { ...before, state: 'purging', updatedAt: now, undeleteUntil: undefined } as const
    const deposit = grants.deposit(row)
    await transaction.updateDeposit(deposit)
    // After that change, which a migration of this deposit waits for: none of its copies is missed.
    const purging = await readPurging(trustee, transaction, deposit)
    const { hsmKeyIds, sharedRevisions } = purging
    const { uuid, organisation, handle } = deposit
    await transaction.saveRevocation({
      deposit: uuid,
      organisation,
      handle,
      hsmKeyIds,
      sharedRevisions,
      orderedBy: order.actor,
      orderedAt: now,
      doneAt: undefined,
    })
    return purging
  })
}

/** What has to go: every revision, also in the form it had before it was moved. */
async function readPurging(
  { grants }: Pick<Trustee, 'grants'>,
  reader: Pick<Reader, 'listRevisions' | 'findRevision' | 'listFormer'>,
  deposit: Deposit,
): Promise<Purging> {
  const revisions = await reader.listRevisions(deposit.uuid)
  const latest = revisions.at(-1)
  if (!latest) throw new DomainError('ERR_INTERNAL', 'internal error')
  const present = await readSealedKeys(reader, deposit.uuid, revisions)
  const rows = await reader.listFormer({ deposit: deposit.uuid })
  const former = rows.flatMap((row) => {
    const key = formerKey(grants, row)
    return key ? [{ key, revision: row.revision, former: row.uuid }] : []
  })
  const forms = [...present.forms, ...former]
  const sharedRevisions = revisions.length + rows.length - forms.length
  return { deposit, latest, forms, hsmKeyIds: idsOf(forms), sharedRevisions }
}

interface End {
  readonly deposit: Deposit
  readonly revokedKeys: number
  readonly refusedKeys: number
}

/** What is refused leaves the deposit in `purging`, unless its keys are to be left. @throws what kept it from its end */
async function finishPurge(trustee: Trustee, order: PurgeOrder, purging: Purging): Promise<End> {
  const { deposit, forms, hsmKeyIds } = purging
  if (deposit.state === 'purged') return { deposit, revokedKeys: hsmKeyIds.length, refusedKeys: 0 }
  const { uuid, organisation } = deposit
  const { actor: orderedBy } = order
  await trustee.revocations.record({
    deposit: uuid,
    organisation,
    orderedBy,
    orderedAt: trustee.clock.now().toISOString(),
  })
  const refusals: RefusedForm[] = []
  const operation = operationOf('purge-keys', order, deposit)
  const work = async (): Promise<End> => {
    const revoked = await revokeForms(trustee, order, deposit, forms)
    const ended = revoked.refused.length > 0 ? await findPurged(trustee, deposit) : undefined
    if (ended) return { deposit: ended, revokedKeys: hsmKeyIds.length, refusedKeys: 0 }
    refusals.push(...revoked.refused)
    await auditRefusedForms(trustee.audit, order, deposit, refusals)
    if (refusals[0] && !order.leaveKeys) throw refusals[0].error
    reached('purge:revoked')
    const after = await commitPurged(trustee, { ...purging, hsmKeyIds: revoked.hsmKeyIds })
    const refusedKeys = refusals.length
    return { deposit: after, revokedKeys: revoked.hsmKeyIds.length, refusedKeys }
  }
  return audited(trustee.audit, operation, 'revoked', work).catch((error: unknown) => {
    if (!hasCode(error, 'ERR_NOT_ALLOWED')) throw error
    return { deposit, revokedKeys: 0, refusedKeys: refusals.length }
  })
}

/** The deposit when another server has purged it meanwhile: then what shows nothing any more was let go by that one. */
async function findPurged(
  { store, grants }: Trustee,
  { uuid }: Deposit,
): Promise<Deposit | undefined> {
  const now = (await store.findDepositByUuid(uuid))?.deposit
  return now?.state === 'purged' && grants.believesDeposit(now) ? now : undefined
}

function commitPurged(trustee: Trustee, purging: Purging): Promise<Deposit> {
  const { deposit: before, hsmKeyIds, sharedRevisions } = purging
  const now = trustee.clock.now()
  const deposit = trustee.grants.deposit({ ...before, state: 'purged', updatedAt: now })
  return trustee.store.withTransaction(async (transaction) => {
    await transaction.updateDeposit(deposit)
    await transaction.dropStored(deposit.uuid)
    const { uuid, organisation, handle } = deposit
    const known = await transaction.findRevocation(uuid)
    await transaction.saveRevocation({
      deposit: uuid,
      organisation,
      handle,
      hsmKeyIds,
      sharedRevisions,
      orderedBy: known?.orderedBy ?? 'service',
      orderedAt: known?.orderedAt ?? now,
      doneAt: now,
    })
    return deposit
  })
}

function operationOf(operation: string, { requestId, actor }: PurgeOrder, deposit: Deposit) {
  const { organisation, uuid, handle, revision } = deposit
  return {
    operation,
    requestId,
    actor,
    subjects: [{ organisation, deposit: uuid, handle, revision }],
  }
}
