/** Which deposits are in the way of a migration, and which of them get another name by the operator's map. */
import { type Handle, invalidInput } from '@keyhsm/core'
import type { planMigrationRoute, ReplyOf } from '@keyhsm/protocol'
import type { Deposit, RevisionMeta } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { isAllowedName, NameMap, suggestName, suggestOther } from './names.js'
import type { MigrationOrder } from './migration-order.js'

/** What of an order a plan settles. */
export type PlannedOrder = Pick<MigrationOrder, 'from' | 'to' | 'sealedBefore'>

export type Offender = ReplyOf<typeof planMigrationRoute>['offenders'][number]

/** A deposit and the name it gets. */
export interface Rename {
  readonly deposit: Deposit
  readonly handle: Handle
}

export interface Found {
  /** The first ones. */
  readonly offenders: readonly Offender[]
  readonly offending: number
  readonly renames: readonly Rename[]
}

type Listed = Deposit & { readonly latest: RevisionMeta }

const movable: readonly Deposit['state'][] = ['active', 'disabled']
const offendersShown = 10_000
const pageSize = 1000
const rule =
  'may have letters, digits, hyphens, periods and underscores, and begin with a letter or digit'

/**
 * Looks at every deposit, page by page.
 * @throws ERR_INVALID_INPUT for a wish that names no deposit, or one whose name keeps the rules
 */
export async function findOffenders(
  trustee: Trustee,
  order: PlannedOrder,
  names = new NameMap(),
): Promise<Found> {
  const offenders: Offender[] = []
  const renames: Rename[] = []
  const taken = new Set<string>()
  let offending = 0
  for await (const deposit of everyDeposit(trustee)) {
    const verdict = await judge(trustee, { order, names, taken }, deposit)
    if (verdict === undefined) continue
    if (!('reason' in verdict)) renames.push(verdict)
    else {
      offending += 1
      if (offending <= offendersShown) offenders.push(verdict)
    }
  }
  await requireUsed(trustee, names)
  return { offenders, offending, renames }
}

async function* everyDeposit({ store }: Trustee): AsyncGenerator<Listed> {
  let after: Handle | undefined
  do {
    const from = after === undefined ? {} : { after }
    const page = await store.listDeposits({ limit: pageSize, ...from })
    yield* page.deposits
    after = page.next
  } while (after !== undefined)
}

interface Case {
  readonly order: PlannedOrder
  readonly names: NameMap
  /** Names that were given away, with their owners. */
  readonly taken: Set<string>
}

/** @returns undefined where nothing is in the way */
async function judge(
  trustee: Trustee,
  o: Case,
  deposit: Listed,
): Promise<Offender | Rename | undefined> {
  if (!movable.includes(deposit.state)) return undefined
  const { to, from } = o.order
  const wish = o.names.find(deposit)
  if (!trustee.grants.believesDeposit(deposit))
    return toOffender(deposit, 'its row is not as this server wrote it')
  if (to.sealing === 'pass-through' && deposit.policy?.trustees)
    return toOffender(deposit, 'its trustees must approve whoever opens it')
  const named = from.sealing === 'pass-through' && !isAllowedName(deposit.handle)
  if (named) return judgeName(trustee, { ...o, wish }, deposit)
  if (wish !== undefined && wish !== deposit.handle) throw keepsItsName(deposit)
  return undefined
}

/** One whose name breaks the rules. */
async function judgeName(
  { store }: Trustee,
  { taken, wish }: Case & { readonly wish: Handle | undefined },
  deposit: Listed,
): Promise<Offender | Rename> {
  const { owner, handle: name } = deposit
  const take = async (handle: Handle) => {
    const key = `${owner} ${handle}`
    if (taken.has(key) || (await store.findDeposit({ owner, handle }))) return false
    taken.add(key)
    return true
  }
  if (wish !== undefined && (await take(wish))) return { deposit, handle: wish }
  const near = suggestName(name)
  const suggestion = (await take(near)) ? near : suggestOther(name, deposit)
  const why = wish === undefined ? `its name ${rule}` : `its owner has a deposit ${wish} already`
  return { ...toOffender(deposit, why), suggestion }
}

function toOffender({ uuid, handle, owner }: Deposit, reason: string): Offender {
  return { deposit: uuid, handle, owner, reason }
}

/** The sealing of a client is bound to the name, which therefore only changes where no client of ours can have sealed. */
function keepsItsName({ handle }: Deposit): Error {
  return invalidInput(
    'names',
    `must name deposits whose names break the rules: ${handle} keeps its name`,
  )
}

/** A wish may have been carried out before: an order that was cut off is given again with the same map. */
async function requireUsed({ store }: Trustee, names: NameMap): Promise<void> {
  for (const { deposit, handle } of names.unused())
    if ((await store.listByHandle(handle as Handle, 1)).length === 0)
      throw invalidInput('names', `must name deposits that are there: ${deposit}`)
}
