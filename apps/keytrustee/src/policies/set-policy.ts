import { asUuid, DomainError, parseShortName, type Uuid } from '@keyhsm/core'
import type { PolicyField } from '@keyhsm/protocol'
import { audited } from '../audited.js'
import { type DepositReply, toDepositReply } from '../deposits/deposit-field.js'
import { lockDeposit } from '../deposits/lock-deposit.js'
import type { Deposit, Reader, Transaction } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { newCount } from './count-retrieval.js'
import { noSuchDeposit, removedDeposit } from './decide.js'
import { formatPolicy, parsePolicy, type Policy, readersOf, withTrustees } from './policy.js'

export interface PolicyOrder {
  readonly requestId: Uuid
  /** Owner or administrator. */
  readonly actor: string
  readonly policy: PolicyField
}

/** A wish with the names of its organisation resolved. @throws ERR_INVALID_INPUT */
export function parseFor(
  store: Pick<Reader, 'findClient' | 'findGroup'>,
  organisation: Uuid,
  raw: PolicyField,
): Promise<Policy | undefined> {
  return parsePolicy(raw, {
    client: async (ref) => {
      const uuid = asUuid(ref)
      const client = uuid
        ? await store.findClient({ uuid })
        : await store.findClient({ organisation, name: parseShortName(ref, 'policy.clients') })
      return client?.organisation === organisation ? client.uuid : undefined
    },
    group: async (ref) => {
      const uuid = asUuid(ref)
      const group = uuid
        ? await store.findGroup({ uuid })
        : await store.findGroup({ organisation, name: parseShortName(ref, 'policy.groups') })
      return group?.organisation === organisation ? group.uuid : undefined
    },
  })
}

/**
 * Replaces the policy of a deposit; the count of its retrievals begins anew.
 * @throws ERR_NOT_FOUND, ERR_DISABLED, ERR_INVALID_INPUT, ERR_CONFLICT
 */
export async function setPolicy(
  trustee: Trustee,
  order: PolicyOrder,
  uuid: Uuid,
): Promise<DepositReply> {
  const { store, grants } = trustee
  const before = (await store.findDepositByUuid(uuid))?.deposit
  if (!before || !grants.believesDeposit(before)) throw noSuchDeposit()
  if (before.state !== 'active') throw removedDeposit(before)
  const parsed = await parseFor(store, before.organisation, order.policy)
  // Trustees stand in the sealed header: a policy cannot change them.
  const policy = withTrustees(parsed, before.policy?.trustees)
  const { organisation, handle, revision, owner } = before
  const { requestId, actor } = order
  const subject = {
    organisation,
    deposit: uuid,
    handle,
    revision,
    policy: formatPolicy(policy) ?? '',
  }
  const operation = { operation: 'set-policy', requestId, actor, subjects: [subject] }
  return trustee.queue.withKeys([`${owner}/${handle}`], () =>
    audited(trustee.audit, operation, 'done', () =>
      store.withTransaction(async (transaction) => {
        const now = await lockDeposit(trustee, transaction, before)
        if (now.state !== 'active') throw removedDeposit(now)
        const updatedAt = trustee.clock.now()
        const { policy: _, ...rest } = now
        const row = policy === undefined ? rest : { ...rest, policy }
        const deposit = grants.deposit({ ...row, updatedAt })
        await transaction.updateDeposit(deposit)
        await savePolicyRows(trustee, transaction, deposit)
        const latest = (await transaction.listRevisions(uuid)).at(-1)
        if (!latest) throw new DomainError('ERR_INTERNAL', 'internal error')
        return toDepositReply(deposit, latest)
      }),
    ),
  )
}

/** What goes with a policy that was set: its count begins, its readers find the deposit. */
export async function savePolicyRows(
  { grants }: Pick<Trustee, 'grants'>,
  transaction: Transaction,
  { uuid, policy }: Deposit,
): Promise<void> {
  if (policy?.maxRetrievals !== undefined)
    await transaction.saveRetrievalCount(newCount(grants, uuid))
  await transaction.saveReaders(uuid, readersOf(policy))
}
