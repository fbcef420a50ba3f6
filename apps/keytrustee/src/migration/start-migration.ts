import { DomainError, newUuid, type Uuid } from '@keyhsm/core'
import { audited } from '../audited.js'
import { proveSample } from '../sealing/prove-sample.js'
import { notJoined } from '../sealing/sealing-state.js'
import type { MigrationProgress } from '../store/store.js'
import { presentDirection } from './directions.js'
import type { MigrationDesk } from './migration-desk.js'
import type { MigrationOrder } from './migration-order.js'
import {
  type MigrationPlan,
  type MigrationWish,
  mayNotKeepUnsealed,
  planMigration,
  type Planned,
  requireFeasible,
} from './plan-migration.js'

export interface StartOrder {
  readonly requestId: Uuid
  /** The administrator. */
  readonly actor: string
  readonly wish: MigrationWish
  /** Said by whoever takes deposits out of the HSM. */
  readonly understood: boolean
  readonly finishesItself: boolean
}

export interface Started {
  readonly plan: MigrationPlan
  readonly progress: MigrationProgress
}

/**
 * Begins a migration that then runs by itself: the way to its target is proved with a sample before.
 * @throws ERR_CONFLICT while another is under way, or for what {@link requireFeasible} finds; ERR_NOT_ALLOWED out of the HSM
 * without the word or the setting for it; what {@link planMigration} throws. Nothing was changed then.
 */
export function startMigration(desk: MigrationDesk, start: StartOrder): Promise<Started> {
  return desk.inTurn(async () => {
    desk.requireNone()
    const planned = await planMigration(desk, start.wish)
    requireFeasible(planned.plan)
    await requireWay(desk, planned, start)
    const { order, progress } = toRecords(desk, planned, start)
    const { requestId, actor } = start
    const subjects = [{ migration: order.uuid, source: progress.source, target: progress.target }]
    await audited(
      desk.trustee.audit,
      { operation: 'migrate-start', requestId, actor, subjects },
      'done',
      async () => {
        await desk.begin(order, progress)
        await desk.go()
      },
    )
    return { plan: planned.plan, progress }
  })
}

/** The two records of a migration that begins now. */
export function toRecords(
  desk: Pick<MigrationDesk, 'trustee' | 'link'>,
  { order, plan }: Planned,
  o: Pick<StartOrder, 'actor' | 'finishesItself'> & Partial<Pick<MigrationOrder, 'before'>>,
): { readonly order: MigrationOrder; readonly progress: MigrationProgress } {
  const startedAt = desk.trustee.clock.now()
  const joined = desk.link.current()?.joined
  const before = o.before ?? (joined && presentDirection(joined))
  if (!before) throw notJoined()
  const uuid = newUuid()
  const { finishesItself, actor: startedBy } = o
  return {
    order: { ...order, uuid, state: 'running', finishesItself, startedBy, startedAt, before },
    progress: {
      uuid,
      state: 'running',
      source: plan.source,
      target: plan.target,
      startedBy,
      startedAt,
      updatedAt: startedAt,
      endedAt: undefined,
      total: plan.revisions,
      moved: 0,
      overtaken: 0,
      cursor: undefined,
      note: undefined,
    },
  }
}

async function requireWay(
  { link, sealing, trustee }: MigrationDesk,
  { order: { to } }: Planned,
  { understood, requestId }: StartOrder,
): Promise<void> {
  const calls = link.current()?.calls
  if (!calls) throw notJoined()
  if (to.sealing === 'hsm') {
    const handle = `migrate-${trustee.clock.now().toISOString().slice(0, 10)}`
    const { canary, kind } = to
    await proveSample(calls, { canary, handle, requestId, ...(kind ? { kind } : {}) })
    return
  }
  if (!sealing.passThroughAllowed) throw new DomainError('ERR_NOT_ALLOWED', mayNotKeepUnsealed)
  if (!understood)
    throw new DomainError(
      'ERR_NOT_ALLOWED',
      'out of the HSM nothing is destroyed by revoking a key: say --i-understand',
    )
}
