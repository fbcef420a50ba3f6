/** New names for deposits that are stored unsealed. Their bytes are bound to the name, so they are bound anew. */
import { DomainError, type Uuid } from '@keyhsm/core'
import { audited } from '../audited.js'
import { formerGrant } from '../deposits/sealed-keys.js'
import { createPassThroughSealer } from '../sealing/pass-through.js'
import type { Transaction } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import type { Rename } from './find-offenders.js'

export type RenamingDesk = Pick<Trustee, 'store' | 'grants' | 'clock'> & {
  readonly audit: Pick<Trustee['audit'], 'append'>
}

/**
 * Each deposit at once or not at all, one after the other; the same order given again goes on where one was cut off.
 * @throws ERR_CONFLICT, ERR_ALREADY_EXISTS when one was changed, or its name taken, since it was looked at;
 * ERR_IRRETRIEVABLE when its bytes are not as this server wrote them
 */
export async function renameDeposits(
  trustee: RenamingDesk,
  { requestId, actor }: { readonly requestId: Uuid; readonly actor: string },
  renames: readonly Rename[],
): Promise<void> {
  for (const rename of renames) {
    const { organisation, uuid, handle } = rename.deposit
    const subjects = [{ organisation, deposit: uuid, handle, to: rename.handle }]
    await audited(trustee.audit, { operation: 'rename', requestId, actor, subjects }, 'done', () =>
      trustee.store.withTransaction((transaction) =>
        renameOne(trustee, transaction, { ...rename, requestId }),
      ),
    )
  }
}

async function renameOne(
  { grants, clock }: Pick<RenamingDesk, 'grants' | 'clock'>,
  transaction: Transaction,
  { requestId, deposit, handle }: Rename & { readonly requestId: Uuid },
): Promise<void> {
  const sealer = createPassThroughSealer(grants)
  for (let number = 1; number <= deposit.revision; number += 1) {
    const revision = await transaction.findRevision(deposit.uuid, number)
    if (!revision) continue
    const { organisation, uuid } = deposit
    const context = { organisation, deposit: uuid, handle: deposit.handle, revision: number }
    const { stored, canary, sealedAt } = revision
    const content = await sealer.open({ requestId, context, stored, canary })
    const sealed = await sealer.seal({ requestId, context: { ...context, handle }, content })
    const { newKey: _, ...form } = sealed
    const next = { ...form, sealing: sealer.sealing, sealedAt }
    const grant = formerGrant(grants, { ...next, uuid: revision.uuid })
    const exchange = { before: grant, next: grant, swappable: false }
    if (!(await transaction.swapForm(revision, next, exchange)))
      throw new DomainError('ERR_CONFLICT', 'it was changed meanwhile')
    // A form for another name is of no use to anybody.
    await transaction.deleteFormer([revision.uuid])
  }
  const renamed = grants.deposit({ ...deposit, handle, updatedAt: clock.now() })
  await transaction.updateDeposit(renamed, deposit.handle)
}
