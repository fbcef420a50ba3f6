/**
 * Making a deposit unreadable for ever: commit `purging` → revoke the HSM keys of all its revisions → drop the sealed bytes,
 * commit `purged`. From the first commit on nothing opens it; what a fault cuts off after it is taken up again.
 */
import { DomainError, newUuid, reached, type Uuid } from '@keyhsm/core'
import { audited } from '../audited.js'
import { noSuchDeposit } from '../policies/decide.js'
import type { Deposit, Reader, RevisionMeta } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { type DepositReply, toDepositReply } from './deposit-field.js'
import { formerKey, readSealedKeys, type SealedKeys } from './sealed-keys.js'

export interface PurgeOrder {
  readonly requestId: Uuid
  /** Owner or administrator. */
  readonly actor: string
}

export interface Purged {
  /** In state `purged`, or `purging` when the HSM could not be asked: unreadable all the same. */
  readonly deposit: DepositReply
  readonly revokedKeys: number
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
    const after = await finishPurge(trustee, order, purging).catch(() => purging.deposit)
    return {
      deposit: toDepositReply(after, purging.latest),
      revokedKeys: after.state === 'purged' ? purging.hsmKeyIds.length : 0,
      sharedRevisions: purging.sharedRevisions,
    }
  })
}

/** Takes up purges that were cut off. @returns how many are done now, and how many the HSM could not be asked about */
export async function resumePurges(trustee: Trustee): Promise<{ done: number; left: number }> {
  const order = { requestId: newUuid(), actor: 'service' }
  const outcome = { done: 0, left: 0 }
  for (const deposit of await trustee.store.listPurging()) {
    if (!trustee.grants.believesDeposit(deposit)) continue
    const finished = await readPurging(trustee, trustee.store, deposit)
      .then((purging) => finishPurge(trustee, order, purging))
      .then(({ state }) => state === 'purged')
      .catch(() => false)
    outcome[finished ? 'done' : 'left'] += 1
  }
  return outcome
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
  const former = await reader.listFormer({ deposit: deposit.uuid })
  const keys = [...present.keys, ...former.flatMap((row) => formerKey(grants, row) ?? [])]
  const hsmKeyIds = [...new Set(keys.map(({ id }) => id))]
  const sharedRevisions = revisions.length + former.length - keys.length
  return { deposit, latest, keys, hsmKeyIds, sharedRevisions }
}

/** @throws what kept it from its end; the deposit then stays in `purging`. */
async function finishPurge(
  trustee: Trustee,
  order: PurgeOrder,
  purging: Purging,
): Promise<Deposit> {
  const { deposit } = purging
  if (deposit.state === 'purged') return deposit
  const { uuid, organisation } = deposit
  const { requestId, actor: orderedBy } = order
  await trustee.revocations.record({
    deposit: uuid,
    organisation,
    orderedBy,
    orderedAt: trustee.clock.now().toISOString(),
  })
  const operation = operationOf('purge-keys', order, deposit)
  return audited(trustee.audit, operation, 'revoked', async () => {
    if (purging.keys.length > 0) {
      const sealer = trustee.sealing.forRetrieval('hsm')
      for (const key of purging.keys) await sealer?.revoke(requestId, key, 'purge')
    }
    reached('purge:revoked')
    return commitPurged(trustee, purging)
  })
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
