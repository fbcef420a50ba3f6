/** Revisions chosen for a migration, and their exchange against another form. */
import { createHash } from 'node:crypto'
import type {
  Cursor,
  FormerFilter,
  FormerRevision,
  FormExchange,
  FormPattern,
  MoveCounts,
  Revision,
  Selection,
  StoredForm,
  ToMove,
} from '../store.js'
import type { Fingerprint, HsmKeyId, Uuid } from '@keyhsm/core'
import { columns, toDeposit } from './deposits.js'
import { formColumns, type GatheredSwaps, nobodyPurges } from './gathered-swaps.js'
import { change, type Columns, findAll, findOne, type Queries, type Value } from './queries.js'
import { joinedColumns, toRevision } from './revisions.js'

/** `$at`: sealing, canary, scope, kind; null fits all. */
function fits(at: number): string {
  return `(revisions.sealing = $${at} and ($${at + 1}::text is null or revisions.canary = $${at + 1})
    and ($${at + 2}::text is null or revisions.scope = $${at + 2})
    and ($${at + 3}::text is null or revisions.kind = $${at + 3}))`
}

/** Values: those of {@link selectionValues}. */
const wanted = `${nobodyPurges} and ${fits(1)}
    and case when $9::timestamptz is null then not ${fits(5)} else revisions.sealed_at < $9 end
    and ($10::uuid is null or not exists (
      select from migration_faults where migration = $10 and revision_uuid = revisions.uuid))
    and ($11::timestamptz is null or revisions.sealed_at >= $11)`

const count = {
  name: 'moves_count',
  text: `select count(distinct revisions.deposit) as deposits, count(*) as revisions,
    count(distinct deposits.organisation) as organisations,
    coalesce(sum(content_bytes), 0)::text as content_bytes
    from revisions join deposits on deposits.uuid = revisions.deposit where ${wanted}`,
}
/** Revisions looked at by one statement, chosen or not: bounds its time however few are left to move. */
const walked = 1000
const walkFrom = (deposit: string, revision: string) =>
  `from revisions where (deposit, revision) > (${deposit}::uuid, ${revision}::integer)
    order by deposit, revision limit ${walked}`
/**
 * The first row always comes, however large it is. Each deposit is looked up beside its revision: joined, a plan without statistics,
 * as after an import, went through all deposits from the first at every page (docs/decisions/0130-moves-are-walked.md).
 */
const list = {
  name: 'moves_list',
  text: `select ${columns}, ${joinedColumns} from (
      select * from (
        select revisions.uuid as chosen,
          sum(content_bytes) over (order by revisions.deposit, revisions.revision) - content_bytes as before
        from (select * ${walkFrom('$12', '$13')}) as revisions
        cross join lateral (
          select state from deposits where uuid = revisions.deposit limit 1) as deposits
        where ${wanted}
        order by revisions.deposit, revisions.revision limit $14
      ) as counted where before <= $15
    ) as page
    join revisions on revisions.uuid = page.chosen
    join deposits on deposits.uuid = revisions.deposit
    order by revisions.deposit, revisions.revision`,
}
const walkEnd = {
  name: 'moves_walk_end',
  text: `select deposit, revision from (select deposit, revision ${walkFrom('$1', '$2')}) as walk
    order by deposit desc, revision desc limit 1`,
}
const swapBack = {
  name: 'moves_swap_back',
  text: `with present as (
      select revisions.* from revisions join deposits on deposits.uuid = revisions.deposit
      where revisions.uuid = $1 and ${nobodyPurges}
      for update of revisions for share of deposits
    ), before as (
      select former_revisions.* from former_revisions join present using (uuid) where not swapped_back
      for update of former_revisions
    ), exchanged as (
      update former_revisions set (${formColumns}) = (select ${formColumns} from present),
        grant_mac = before.other_grant_mac, other_grant_mac = before.grant_mac, swapped_back = true
      from before where former_revisions.uuid = before.uuid
    )
    update revisions set (${formColumns}) = (select ${formColumns} from before)
    from before where revisions.uuid = before.uuid`,
}

const formerColumns = `former_revisions.uuid, former_revisions.deposit, former_revisions.revision,
  hsm_key_id, hsm_key_label, scope, canary, former_revisions.grant_mac, swapped_back::text`
const formerOf = {
  name: 'former_of_deposit',
  text: `select ${formerColumns} from former_revisions where deposit = $1 order by revision`,
}
const formerAny = {
  name: 'former_any',
  text: `select ${formerColumns} from former_revisions where uuid > $2::uuid order by uuid limit $1`,
}
/** From its cursor on, so that no page reads again what was swapped back before it. */
const formerSwappable = {
  name: 'former_swappable',
  text: `select ${formerColumns} from former_revisions
    cross join lateral (
      select state from deposits where uuid = former_revisions.deposit limit 1) as deposits
    where former_revisions.uuid > $2::uuid and not swapped_back and ${nobodyPurges}
    order by former_revisions.uuid limit $1`,
}
const formerStored = {
  name: 'former_stored',
  text: 'select stored from former_revisions where uuid = $1',
}
const deleteSome = {
  name: 'former_delete',
  text: 'delete from former_revisions where uuid = any($1::uuid[])',
}

const firstUuid = '00000000-0000-0000-0000-000000000000' as Uuid

export async function countToMove(queries: Queries, selection: Selection): Promise<MoveCounts> {
  const found = await findOne(queries, count, selectionValues(selection), (row) => ({
    organisations: row.count('organisations'),
    deposits: row.count('deposits'),
    revisions: row.count('revisions'),
    contentBytes: row.count('content_bytes'),
  }))
  return found ?? { organisations: 0, deposits: 0, revisions: 0, contentBytes: 0 }
}

export async function listToMove(
  queries: Queries,
  selection: Selection,
  o: { readonly after?: Cursor; readonly limit: number; readonly maxBytes: number },
): Promise<readonly ToMove[]> {
  const toMove = (row: Columns) => ({ deposit: toDeposit(row), revision: toRevision(row) })
  let after: Cursor | undefined = o.after ?? { deposit: firstUuid, revision: 0 }
  while (after) {
    const place: readonly Value[] = [after.deposit, after.revision]
    const values = [...selectionValues(selection), ...place, o.limit, o.maxBytes]
    const page = await findAll(queries, list, values, toMove)
    if (page.length > 0) return page
    after = await findOne(queries, walkEnd, place, toCursor)
  }
  return []
}

export function swapForm(
  swaps: GatheredSwaps,
  before: Revision,
  next: StoredForm,
  exchange: FormExchange,
): Promise<boolean> {
  const hash = createHash('sha256').update(before.stored).digest()
  const expected = [before.uuid, before.sealing, before.hsmKeyId ?? null, hash]
  const { hsmKeyId, hsmKeyLabel, scope, kind, canary } = next
  const key = [hsmKeyId, hsmKeyLabel, scope, kind, canary].map((value) => value ?? null)
  const kept = [exchange.before, exchange.next, !exchange.swappable]
  return swaps.swap([...expected, next.sealing, ...key, next.sealedAt, next.stored, ...kept])
}

export async function swapFormBack(queries: Queries, revision: Uuid): Promise<boolean> {
  return (await change(queries, swapBack, [revision])) === 1
}

export function listFormer(
  queries: Queries,
  filter: FormerFilter,
): Promise<readonly FormerRevision[]> {
  if ('deposit' in filter) return findAll(queries, formerOf, [filter.deposit], toFormer)
  const { swappable, limit, after = firstUuid } = filter
  return findAll(queries, swappable ? formerSwappable : formerAny, [limit, after], toFormer)
}

export function findFormerStored(queries: Queries, revision: Uuid): Promise<Buffer | undefined> {
  return findOne(queries, formerStored, [revision], (row) => row.bytes('stored'))
}

export async function deleteFormer(queries: Queries, revisions: readonly Uuid[]): Promise<void> {
  await change(queries, deleteSome, [revisions])
}

function selectionValues(selection: Selection): readonly Value[] {
  const { from, to, sealedBefore, unfailedIn, sealedSince } = selection
  const bounds = [sealedBefore, unfailedIn, sealedSince].map((value) => value ?? null)
  return [...patternValues(from), ...patternValues(to), ...bounds]
}

function patternValues({ sealing, canary, scope, kind }: FormPattern): readonly Value[] {
  return [sealing, canary ?? null, scope ?? null, kind ?? null]
}

function toCursor(row: Columns): Cursor {
  return { deposit: row.uuid('deposit'), revision: row.integer('revision') }
}

function toFormer(row: Columns): FormerRevision {
  return {
    uuid: row.uuid('uuid'),
    deposit: row.uuid('deposit'),
    revision: row.integer('revision'),
    hsmKeyId: row.optionalText('hsm_key_id') as HsmKeyId | undefined,
    hsmKeyLabel: row.optionalText('hsm_key_label'),
    scope: row.optionalWord('scope', ['deposit', 'organisation', 'service']),
    canary: row.optionalText('canary') as Fingerprint | undefined,
    grant: row.text('grant_mac'),
    swappedBack: row.text('swapped_back') === 'true',
  }
}
