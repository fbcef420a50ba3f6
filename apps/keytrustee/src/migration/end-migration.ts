import { DomainError, type Uuid } from '@keyhsm/core'
import type { BodyOf, orderMigrationRoute } from '@keyhsm/protocol'
import { audited } from '../audited.js'
import type { MigrationProgress } from '../store/store.js'
import { type MigrationDesk, openUuid } from './migration-desk.js'
import type { OpenState } from './migration-order.js'

export type MigrationAct = BodyOf<typeof orderMigrationRoute>['act']

interface Rule {
  readonly from: readonly OpenState[]
  readonly to: OpenState
}

/** What may be ordered in which state. */
const rules: Readonly<Record<MigrationAct, Rule>> = {
  pause: { from: ['running', 'paused'], to: 'paused' },
  resume: { from: ['paused', 'running', 'moved'], to: 'running' },
  finish: { from: ['moved', 'finishing'], to: 'finishing' },
  rollback: { from: ['running', 'paused', 'moved', 'rolling-back'], to: 'rolling-back' },
}

/**
 * Orders the migration under way to pause, to go on, to be finished or to be rolled back.
 * @throws ERR_NOT_FOUND when there is none; ERR_CONFLICT when its state does not allow it
 */
export function orderMigration(
  desk: MigrationDesk,
  o: { readonly requestId: Uuid; readonly actor: string; readonly act: MigrationAct },
): Promise<MigrationProgress> {
  return desk.inTurn(async () => {
    const migration = openUuid(desk)
    const state = desk.order?.state ?? 'running'
    const rule = rules[o.act]
    if (!rule.from.includes(state))
      throw new DomainError('ERR_CONFLICT', `the migration is ${state}: it cannot ${o.act} now`)
    const { requestId, actor, act } = o
    const operation = { operation: `migrate-${act}`, requestId, actor, subjects: [{ migration }] }
    return audited(desk.trustee.audit, operation, 'done', () => desk.turn(rule.to))
  })
}
