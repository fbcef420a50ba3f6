/** What a migration would do, and what is in its way; nothing is changed. */
import type { KeyHsmClient, PartitionDescription } from '@keyhsm/client'
import { DomainError, type Fingerprint, invalidInput } from '@keyhsm/core'
import type { BodyOf, planMigrationRoute, ReplyOf } from '@keyhsm/protocol'
import { pinsOf } from '../sealing/follow-key-hsm.js'
import type { Joined } from '../sealing/join-file.js'
import { notJoined } from '../sealing/sealing-state.js'
import type { FormPattern } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { findOffenders, type PlannedOrder, type Rename } from './find-offenders.js'
import type { NameMap } from './names.js'
import type { MigrationDesk } from './migration-desk.js'
import { type Form, type MigrationOrder, selectionOf } from './migration-order.js'

export type MigrationWish = BodyOf<typeof planMigrationRoute>
export type MigrationPlan = ReplyOf<typeof planMigrationRoute>

export interface Planned {
  readonly order: PlannedOrder
  readonly plan: MigrationPlan
  /** Before anything moves. */
  readonly renames: readonly Rename[]
}

const dayMs = 86400_000

/**
 * @throws ERR_NOT_JOINED; ERR_INVALID_INPUT for a backend that Key HSM has not, or a wish that moves nothing anywhere; the
 * HSM's own
 */
export async function planMigration(
  desk: Pick<MigrationDesk, 'trustee' | 'link' | 'sealing'>,
  wish: MigrationWish,
): Promise<Planned> {
  const link = desk.link.current()
  if (!link) throw notJoined()
  const partition = await link.calls.describe(undefined, pinsOf(link.joined))
  const now = desk.trustee.clock.now()
  const order = toOrder(wish, { joined: link.joined, partition, now })
  const target = await describeTarget(link.calls, order.to, partition)
  const { plan, renames } = await makePlan(desk.trustee, order, target)
  const warnings = [...plan.warnings, ...obstaclesOf(order, desk.sealing)]
  return { order, renames, plan: { ...plan, warnings } }
}

/** What the start of it would be refused with, although every deposit could be moved. */
function obstaclesOf(
  { to }: PlannedOrder,
  { passThroughAllowed }: MigrationDesk['sealing'],
): string[] {
  return to.sealing === 'pass-through' && !passThroughAllowed ? [mayNotKeepUnsealed] : []
}

export const mayNotKeepUnsealed =
  'this server may not keep deposits unsealed: set keytrustee.sealing=pass-through and restart it'

/** The plan of a server that is not joined yet, and would be to this partition. @throws ERR_INVALID_INPUT for `names` */
export async function planJoining(
  trustee: Trustee,
  partition: PartitionDescription,
  names: NameMap,
): Promise<Planned> {
  const { domain } = partition
  const canary = partition.canary as Fingerprint
  const order: PlannedOrder = {
    from: { sealing: 'pass-through' },
    to: { sealing: 'hsm', canary, domain },
  }
  return { order, ...(await makePlan(trustee, order, partition, names)) }
}

/** In words, for people: `partition ca12… scope service`. */
export function describeForm(
  form: FormPattern,
  { backends }: Pick<PartitionDescription, 'backends'> = { backends: [] },
): string {
  if (form.sealing === 'pass-through') return 'pass-through'
  const { canary, scope, kind } = form
  const name = backends.find((backend) => backend.canary === canary)?.name ?? canary?.slice(0, 12)
  return [
    name === undefined ? 'hsm' : `hsm ${name}`,
    ...(scope === undefined ? [] : [`scope ${scope}`]),
    ...(kind === undefined ? [] : [`kind ${kind}`]),
  ].join(' ')
}

function toOrder(
  wish: MigrationWish,
  o: { readonly joined: Joined; readonly partition: PartitionDescription; readonly now: Date },
): PlannedOrder {
  const { from, to, reseal, olderThanDays = 0 } = wish
  const here = o.joined.passThrough ? undefined : nameOf(o.joined.canary, o.partition)
  const target = toForm(to ?? here, wish, o.partition)
  const source = from === undefined ? ({ sealing: 'hsm' } as const) : toSource(from, o.partition)
  if (reseal) {
    const sealedBefore = new Date(o.now.getTime() - olderThanDays * dayMs)
    return { from: source, to: target, sealedBefore }
  }
  requireMove(wish, source, target)
  return { from: source, to: target }
}

function requireMove({ to, scope, kind }: MigrationWish, source: FormPattern, target: Form): void {
  const nothing = to === undefined && scope === undefined && kind === undefined
  if (nothing || (source.sealing === 'pass-through' && target.sealing === 'pass-through'))
    throw invalidInput('to', 'must be another place than from, or scope or kind must be given')
}

function toForm(
  name: string | undefined,
  { scope, kind }: MigrationWish,
  partition: PartitionDescription,
): Form {
  if (name === 'pass-through') {
    if (scope === undefined && kind === undefined) return { sealing: 'pass-through' }
    throw invalidInput('scope', 'and kind are of HSM keys: out of the HSM there are none')
  }
  const { canary, domain } = findBackend('to', name ?? '', partition)
  return {
    sealing: 'hsm',
    canary: canary as Fingerprint,
    domain,
    ...(scope === undefined ? {} : { scope }),
    ...(kind === undefined ? {} : { kind }),
  }
}

function toSource(name: string, partition: PartitionDescription): FormPattern {
  if (name === 'pass-through') return { sealing: 'pass-through' }
  return { sealing: 'hsm', canary: findBackend('from', name, partition).canary as Fingerprint }
}

function findBackend(field: string, name: string, { backends }: PartitionDescription) {
  const found = backends.find((backend) => backend.name === name)
  if (found?.canary !== undefined && found.domain !== undefined)
    return { canary: found.canary, domain: found.domain }
  const names = backends.map((backend) => backend.name).join(', ')
  throw invalidInput(field, `must be pass-through or a connected backend of Key HSM: ${names}`)
}

function nameOf(canary: Fingerprint, { backends }: PartitionDescription): string | undefined {
  return backends.find((backend) => backend.canary === canary)?.name
}

async function describeTarget(
  calls: Pick<KeyHsmClient, 'describe'>,
  to: Form,
  partition: PartitionDescription,
): Promise<PartitionDescription> {
  if (to.sealing === 'pass-through' || to.canary === partition.canary) return partition
  const name = nameOf(to.canary, partition)
  return calls.describe(undefined, [], name)
}

async function makePlan(
  trustee: Trustee,
  order: PlannedOrder,
  target: PartitionDescription,
  names?: NameMap,
): Promise<Omit<Planned, 'order'>> {
  // No migration has this uuid: what failed in another is tried again.
  const { unfailedIn: _, ...selection } = selectionOf({ ...order } as MigrationOrder)
  const { organisations, ...counts } = await trustee.store.countToMove(selection)
  const { offenders, offending, renames } = await findOffenders(trustee, order, names)
  const scope = order.to.sealing === 'hsm' ? (order.to.scope ?? target.scope) : undefined
  const keysIn = { deposit: counts.revisions, organisation: organisations, service: 1 }
  const hsmKeys = scope === undefined || counts.revisions === 0 ? 0 : keysIn[scope]
  const { room } = target.capacity
  const fits = room === undefined || hsmKeys <= room
  const plan = {
    source: describeForm(order.from, target),
    target: describeForm(order.to, target),
    ...counts,
    hsmKeys,
    capacity: target.capacity,
    fits,
    offending,
    offenders: [...offenders],
    renamed: renames.length,
    warnings: warningsOf(order, counts.revisions, scope),
  }
  return { plan, renames }
}

function warningsOf(
  { to, sealedBefore }: PlannedOrder,
  revisions: number,
  scope: string | undefined,
): string[] {
  if (revisions === 0) return []
  if (to.sealing === 'pass-through')
    return [
      'deposits out of the HSM are protected by their clients’ sealing alone',
      'backups of the database made from now on open without any HSM; older ones only with HSM keys that finish revokes',
    ]
  return [
    'once it is finished, older backups of the database open only where their HSM keys are left: those of scope deposit are revoked',
    ...(scope === 'deposit' || sealedBefore
      ? []
      : ['purging a deposit of a shared scope leaves copies in older backups that still open']),
  ]
}

/** @throws ERR_CONFLICT when the plan cannot be carried out, with what is in its way */
export function requireFeasible({ offending, offenders, fits, hsmKeys, capacity }: MigrationPlan) {
  if (offending > 0)
    throw new DomainError(
      'ERR_CONFLICT',
      `${offending} deposits cannot be moved: nothing was changed`,
      {
        hints: offenders
          .slice(0, 20)
          .map(
            ({ handle, deposit, reason, suggestion = '' }) =>
              `${handle} (${deposit}): ${reason}${suggestion && `; for example ${suggestion}`}`,
          ),
      },
    )
  if (!fits)
    throw new DomainError(
      'ERR_HSM_FULL',
      `${hsmKeys} HSM keys are needed, and Key HSM would make ${capacity.room}: nothing was changed`,
      {
        hints: [
          'scope organisation or service needs one HSM key for many deposits: --scope service',
        ],
      },
    )
}
