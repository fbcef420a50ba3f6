/** As `postgres/moves.ts`, on the rows in memory. */
import type { HsmKeyId, Uuid } from '@keyhsm/core'
import type {
  Cursor,
  FormerFilter,
  FormerRevision,
  FormExchange,
  FormPattern,
  MigrationFault,
  MigrationProgress,
  MoveCounts,
  Revision,
  Selection,
  StoredForm,
  ToMove,
} from '../store.js'
import { compareText, detached, type Former, type HsmKeyUses, type Tables } from './tables.js'

export function listMigrations(
  { migrations }: Tables,
  limit: number,
): readonly MigrationProgress[] {
  return [...migrations.values()]
    .sort((a, b) => b.startedAt.getTime() - a.startedAt.getTime())
    .slice(0, limit)
}

export function listMigrationFaults(
  { migrationFaults }: Tables,
  migration: Uuid,
  limit: number,
): readonly MigrationFault[] {
  return [...migrationFaults.values()]
    .filter((fault) => fault.migration === migration)
    .sort((a, b) => compareText(a.handle, b.handle) || a.revision - b.revision)
    .slice(0, limit)
}

export function findHsmKeyUses(
  tables: Tables,
  ids: readonly HsmKeyId[],
  usesPerKey: number,
): HsmKeyUses {
  const { deposits, revisions, former } = tables
  const wanted = new Set(ids)
  const uses: HsmKeyUses = new Map()
  for (const { hsmKeyId, deposit, revision } of [...revisions.values(), ...former.values()]) {
    if (hsmKeyId === undefined || !wanted.has(hsmKeyId)) continue
    const row = deposits.get(deposit)
    if (!row || row.state === 'purged') continue
    const { handle } = row
    const known = uses.get(hsmKeyId) ?? []
    if (known.length < usesPerKey) known.push({ deposit, handle, revision })
    uses.set(hsmKeyId, known)
  }
  return uses
}

export function countToMove(tables: Tables, selection: Selection): MoveCounts {
  const chosen = choose(tables, selection)
  return {
    organisations: new Set(chosen.map(({ deposit }) => deposit.organisation)).size,
    deposits: new Set(chosen.map(({ deposit }) => deposit.uuid)).size,
    revisions: chosen.length,
    contentBytes: chosen.reduce((sum, { revision }) => sum + revision.contentBytes, 0),
  }
}

export function listToMove(
  tables: Tables,
  selection: Selection,
  o: { readonly after?: Cursor; readonly limit: number; readonly maxBytes: number },
): readonly ToMove[] {
  const { after } = o
  const page = choose(tables, selection)
    .filter(({ revision }) => !after || isAfter(revision, after))
    .slice(0, o.limit)
  let before = 0
  return page
    .filter(({ revision }) => {
      const fits = before <= o.maxBytes
      before += revision.contentBytes
      return fits
    })
    .map(({ deposit, revision }) => ({ deposit, revision: detached(revision) }))
}

export function swapForm(
  tables: Tables,
  before: Revision,
  next: StoredForm,
  { swappable, ...grants }: FormExchange,
): boolean {
  const present = tables.revisions.get(before.uuid)
  const same =
    present?.sealing === before.sealing &&
    present.hsmKeyId === before.hsmKeyId &&
    present.stored.equals(before.stored)
  if (!present || !same || !nobodyPurges(tables, present.deposit)) return false
  const kept = tables.former.get(present.uuid)
  const former = kept
    ? { ...kept, grants: { ...kept.grants, next: grants.next } }
    : { ...present, grants, swappedBack: !swappable }
  tables.former.set(present.uuid, former)
  tables.revisions.set(present.uuid, detached({ ...present, ...formOf(next) }))
  return true
}

export function swapFormBack(tables: Tables, uuid: Uuid): boolean {
  const present = tables.revisions.get(uuid)
  const former = tables.former.get(uuid)
  if (!present || !former || former.swappedBack) return false
  if (!nobodyPurges(tables, present.deposit)) return false
  const grants = { before: former.grants.next, next: former.grants.before }
  tables.former.set(uuid, { ...present, grants, swappedBack: true })
  tables.revisions.set(uuid, { ...present, ...formOf(former) })
  return true
}

export function listFormer(tables: Tables, filter: FormerFilter): readonly FormerRevision[] {
  const rows = [...tables.former.values()]
  if ('deposit' in filter)
    return rows
      .filter(({ deposit }) => deposit === filter.deposit)
      .sort((a, b) => a.revision - b.revision)
      .map(toFormer)
  return rows
    .filter(
      ({ swappedBack, deposit }) =>
        !filter.swappable || (!swappedBack && nobodyPurges(tables, deposit)),
    )
    .filter(({ uuid }) => !filter.after || uuid > filter.after)
    .sort((a, b) => compareText(a.uuid, b.uuid))
    .slice(0, filter.limit)
    .map(toFormer)
}

function choose(tables: Tables, selection: Selection): ToMove[] {
  const { from, to, sealedBefore, sealedSince, unfailedIn } = selection
  return [...tables.revisions.values()]
    .filter(
      (row) =>
        nobodyPurges(tables, row.deposit) &&
        fits(row, from) &&
        (sealedBefore ? row.sealedAt < sealedBefore : !fits(row, to)) &&
        !(sealedSince && row.sealedAt < sealedSince) &&
        !(unfailedIn && tables.migrationFaults.has(`${unfailedIn} ${row.uuid}`)),
    )
    .sort((a, b) => compareText(a.deposit, b.deposit) || a.revision - b.revision)
    .flatMap((revision) => {
      const deposit = tables.deposits.get(revision.deposit)
      return deposit ? [{ deposit, revision }] : []
    })
}

function fits(row: Revision, { sealing, canary, scope, kind }: FormPattern): boolean {
  return (
    row.sealing === sealing &&
    (canary === undefined || row.canary === canary) &&
    (scope === undefined || row.scope === scope) &&
    (kind === undefined || row.kind === kind)
  )
}

function nobodyPurges(tables: Tables, deposit: Uuid): boolean {
  const state = tables.deposits.get(deposit)?.state
  return state === 'active' || state === 'disabled'
}

function formOf(row: StoredForm): StoredForm {
  const { sealing, stored, hsmKeyId, hsmKeyLabel, scope, kind, canary, sealedAt } = row
  return { sealing, stored, hsmKeyId, hsmKeyLabel, scope, kind, canary, sealedAt }
}

function toFormer(row: Former): FormerRevision {
  const { uuid, deposit, revision, hsmKeyId, hsmKeyLabel, scope, canary, swappedBack } = row
  const { before: grant } = row.grants
  return { uuid, deposit, revision, hsmKeyId, hsmKeyLabel, scope, canary, grant, swappedBack }
}

function isAfter(row: Revision, { deposit, revision }: Cursor): boolean {
  return row.deposit > deposit || (row.deposit === deposit && row.revision > revision)
}
