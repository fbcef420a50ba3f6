import type { Fingerprint, Handle, HsmKeyId, Uuid } from '@keyhsm/core'
import type { HsmKeyUse, Revision, RevisionMeta } from '../store.js'
import { type Columns, change, findAll, findOne, type Queries, type Value } from './queries.js'

const metaNames = [
  'uuid',
  'deposit',
  'revision',
  'sealing',
  'content_bytes',
  'hsm_key_id',
  'hsm_key_label',
  'scope',
  'kind',
  'created_at',
  'canary',
  'sealed_at',
]

/** Columns of a revision in a join, each as `revision_…`, without the stored bytes. */
export const joinedMetaColumns = metaNames
  .map((name) => `revisions.${name} as revision_${name}`)
  .join(', ')

/** The same with the stored bytes. */
export const joinedColumns = `${joinedMetaColumns}, revisions.stored as revision_stored`

/** Columns in the order of {@link revisionValues}. */
const insertNames = [...metaNames, 'stored']
export const insertColumns = insertNames.join(', ')
export const revisionWidth = insertNames.length

export function revisionValues(row: Revision): readonly Value[] {
  return [
    row.uuid,
    row.deposit,
    row.revision,
    row.sealing,
    row.contentBytes,
    row.hsmKeyId ?? null,
    row.hsmKeyLabel ?? null,
    row.scope ?? null,
    row.kind ?? null,
    row.createdAt,
    row.canary ?? null,
    row.sealedAt,
    row.stored,
  ]
}

const byNumber = {
  name: 'revisions_by_number',
  text: `select ${joinedColumns} from revisions where deposit = $1 and revision = $2`,
}
const metaByNumber = {
  name: 'revisions_meta_by_number',
  text: `select ${joinedMetaColumns} from revisions where deposit = $1 and revision = $2`,
}
const all = {
  name: 'revisions_all',
  text: `select ${joinedMetaColumns} from revisions where deposit = $1 order by revision`,
}
const drop = {
  name: 'revisions_drop_stored',
  text: `with former as (delete from former_revisions where deposit = $1)
    update revisions set stored = '' where deposit = $1 and stored <> ''`,
}
/** The lateral part stops at its limit: a key of scope `service` may have millions of uses. */
const hsmKeyUses = {
  name: 'revisions_hsm_key_uses',
  text: `select use.*
    from unnest($1::text[]) as wanted (hsm_key_id)
    cross join lateral (
      select kept.hsm_key_id, kept.deposit, deposits.handle, kept.revision
      from (
        select hsm_key_id, deposit, revision from revisions
        union all select hsm_key_id, deposit, revision from former_revisions
      ) as kept
      join deposits on deposits.uuid = kept.deposit
      where kept.hsm_key_id = wanted.hsm_key_id and deposits.state <> 'purged' limit $2
    ) as use`,
}

export function toRevisionMeta(row: Columns): RevisionMeta {
  return {
    uuid: row.uuid('revision_uuid'),
    deposit: row.uuid('revision_deposit'),
    revision: row.integer('revision_revision'),
    sealing: row.word('revision_sealing', ['hsm', 'pass-through']),
    contentBytes: row.integer('revision_content_bytes'),
    hsmKeyId: row.optionalText('revision_hsm_key_id') as HsmKeyId | undefined,
    hsmKeyLabel: row.optionalText('revision_hsm_key_label'),
    scope: row.optionalWord('revision_scope', ['deposit', 'organisation', 'service']),
    kind: row.optionalText('revision_kind'),
    createdAt: row.instant('revision_created_at'),
    canary: row.optionalText('revision_canary') as Fingerprint | undefined,
    sealedAt: row.instant('revision_sealed_at'),
  }
}

export function toRevision(row: Columns): Revision {
  return { ...toRevisionMeta(row), stored: row.bytes('revision_stored') }
}

export function findRevision(
  queries: Queries,
  deposit: Uuid,
  revision: number,
): Promise<Revision | undefined> {
  return findOne(queries, byNumber, [deposit, revision], toRevision)
}

export function findRevisionMeta(
  queries: Queries,
  deposit: Uuid,
  revision: number,
): Promise<RevisionMeta | undefined> {
  return findOne(queries, metaByNumber, [deposit, revision], toRevisionMeta)
}

export function listRevisions(queries: Queries, deposit: Uuid): Promise<readonly RevisionMeta[]> {
  return findAll(queries, all, [deposit], toRevisionMeta)
}

export async function dropStored(queries: Queries, deposit: Uuid): Promise<void> {
  await change(queries, drop, [deposit])
}

export async function findHsmKeyUses(
  queries: Queries,
  ids: readonly HsmKeyId[],
  usesPerKey: number | undefined,
): Promise<ReadonlyMap<HsmKeyId, readonly HsmKeyUse[]>> {
  const found = await findAll(queries, hsmKeyUses, [ids, usesPerKey ?? null], (row) => ({
    id: row.text('hsm_key_id') as HsmKeyId,
    deposit: row.uuid('deposit'),
    handle: row.text('handle') as Handle,
    revision: row.integer('revision'),
  }))
  const uses = new Map<HsmKeyId, HsmKeyUse[]>()
  for (const { id, ...use } of found) {
    const known = uses.get(id)
    if (known) known.push(use)
    else uses.set(id, [use])
  }
  return uses
}
