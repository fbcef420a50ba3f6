import { DomainError, type Uuid } from '@keyhsm/core'
import { audited } from '../audited.js'
import { removeJoinFile } from '../sealing/join-file.js'
import type { MigrationDesk } from './migration-desk.js'

const moveOut =
  'move the deposits out and finish that first: ktadmin migrate --to pass-through --i-understand'

/**
 * Parts a server from its Key HSM after its deposits were moved out of it; again when it was cut off.
 * @throws ERR_CONFLICT while a migration is under way, or deposits are sealed, with how many
 */
export function leaveKeyHsm(
  desk: MigrationDesk,
  { requestId, actor }: { readonly requestId: Uuid; readonly actor: string },
): Promise<void> {
  return desk.inTurn(async () => {
    desk.requireNone()
    const { store, audit, queue } = desk.trustee
    const join = await store.findJoin()
    const joined = desk.link.current()?.joined
    if (!join && !joined)
      throw new DomainError('ERR_NOT_JOINED', 'this server is not joined to a Key HSM')
    if (joined && !joined.passThrough)
      throw new DomainError('ERR_CONFLICT', `new deposits go into the HSM: ${moveOut}`)
    await queue.settled()
    await requireNoneSealed(desk)
    const { url, canary } = joined ?? join ?? { url: '', canary: '' }
    const operation = { operation: 'leave', requestId, actor, subjects: [{ url, canary }] }
    await audited(audit, operation, 'done', async () => {
      await removeJoinFile(desk.paths)
      await store.withTransaction((transaction) => transaction.deleteJoin())
      desk.sealing.leave()
      await desk.link.leave()
    })
  })
}

async function requireNoneSealed({ trustee: { store } }: MigrationDesk): Promise<void> {
  const selection = { from: { sealing: 'hsm' }, to: { sealing: 'pass-through' } } as const
  const { deposits } = await store.countToMove(selection)
  const purging = (await store.listPurging()).length
  if (deposits + purging === 0) return
  throw new DomainError(
    'ERR_CONFLICT',
    `${deposits} deposits are sealed and ${purging} are being purged in the HSM: ${moveOut}`,
  )
}
