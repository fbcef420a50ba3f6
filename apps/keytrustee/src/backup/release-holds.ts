import type { listHoldsRoute, ReplyOf } from '@keyhsm/protocol'
import { DomainError, type Uuid } from '@keyhsm/core'
import { audited } from '../audited.js'
import type { Trustee } from '../trustee.js'

export interface ReleaseOrder {
  readonly requestId: Uuid
  /** The administrator. */
  readonly actor: string
  readonly uuids?: readonly Uuid[]
  readonly all?: boolean
}

/** @returns how many clients and deposits are served again. @throws ERR_NOT_FOUND when one of them is not held. */
export async function releaseHolds(
  { audit, holds }: Pick<Trustee, 'audit' | 'holds'>,
  { requestId, actor, ...wanted }: ReleaseOrder,
): Promise<number> {
  const { clients, deposits } = holds.list()
  const uuids = wanted.all === true ? [...clients, ...deposits] : (wanted.uuids ?? [])
  const stranger = uuids.find((uuid) => !holds.client(uuid) && !holds.deposit(uuid))
  if (stranger !== undefined)
    throw new DomainError('ERR_NOT_FOUND', `${stranger} is not held: nothing was changed`)
  const subjects = uuids.map((uuid) => (holds.client(uuid) ? { client: uuid } : { deposit: uuid }))
  const operation = { operation: 'release-hold', requestId, actor, subjects }
  return audited(audit, operation, 'done', () => holds.release(uuids))
}

/** With the names that people know. */
export async function describeHolds({
  store,
  holds,
}: Pick<Trustee, 'store' | 'holds'>): Promise<ReplyOf<typeof listHoldsRoute>> {
  const held = holds.list()
  const clients = held.clients.map(async (uuid) => {
    const client = await store.findClient({ uuid })
    return { kind: 'client' as const, uuid, name: client?.name ?? 'unknown' }
  })
  const deposits = held.deposits.map(async (uuid) => {
    const found = await store.findDepositByUuid(uuid)
    return { kind: 'deposit' as const, uuid, name: found?.deposit.handle ?? 'unknown' }
  })
  return { clients: await Promise.all(clients), deposits: await Promise.all(deposits) }
}
