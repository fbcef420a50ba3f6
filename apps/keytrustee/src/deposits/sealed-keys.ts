/**
 * Which HSM keys a deposit's revisions need: what the sealed header says, because Key HSM opens by it. The columns beside it
 * are for searching, and whoever can write to the database can write another deposit's key there.
 */
import type { HsmKeyId, Uuid } from '@keyhsm/core'
import { parseSealed } from '@keyhsm/envelope'
import { type Grants, macText, sameText } from '../grants.js'
import type { HeldKey } from '../sealing/sealer.js'
import type { FormerRevision, Reader, Revision, RevisionMeta } from '../store/store.js'

/** A revision in one of its forms, under an HSM key of its own. */
export interface OwnForm {
  readonly key: HeldKey
  readonly revision: number
  /** The revision's uuid, where it is its former form. */
  readonly former?: Uuid
}

export interface SealedKeys {
  readonly forms: readonly OwnForm[]
  /** HSM keys of this deposit alone. */
  readonly hsmKeyIds: readonly HsmKeyId[]
  /** Revisions whose HSM key serves other deposits too, or that have none. */
  readonly sharedRevisions: number
}

type Key = Pick<RevisionMeta, 'scope' | 'hsmKeyId'>

/** Reads revision by revision: their bytes are never all in memory. */
export async function readSealedKeys(
  reader: Pick<Reader, 'findRevision'>,
  deposit: Uuid,
  revisions: readonly RevisionMeta[],
): Promise<SealedKeys> {
  const own: OwnForm[] = []
  for (const meta of revisions) {
    const revision = await reader.findRevision(deposit, meta.revision)
    const { scope, hsmKeyId } = keyOf(revision ?? { ...meta, stored: Buffer.alloc(0) })
    if (scope === 'deposit' && hsmKeyId !== undefined)
      own.push({ key: { id: hsmKeyId, canary: meta.canary }, revision: meta.revision })
  }
  return {
    forms: own,
    hsmKeyIds: idsOf(own),
    sharedRevisions: revisions.length - own.length,
  }
}

/** The header's key; the row's where there are no sealed bytes, or none that can be read. */
export function keyOf(revision: Pick<Revision, 'sealing' | 'stored' | 'scope' | 'hsmKeyId'>): Key {
  if (revision.sealing !== 'hsm') return { scope: undefined, hsmKeyId: undefined }
  try {
    return parseSealed(revision.stored).header
  } catch {
    return revision
  }
}

/** Each once. */
export function idsOf(forms: readonly OwnForm[]): readonly HsmKeyId[] {
  return [...new Set(forms.map(({ key }) => key.id))]
}

/** The own key of a former form; undefined when it has none, or when somebody else wrote which one it is, or whose. */
export function formerKey(
  grants: Pick<Grants, 'mac' | 'revisionUuid'>,
  row: FormerRevision,
): HeldKey | undefined {
  const { hsmKeyId: id, canary, scope, deposit, revision } = row
  if (id === undefined || scope !== 'deposit') return undefined
  if (row.uuid !== grants.revisionUuid(deposit, revision)) return undefined
  return sameText(row.grant, formerGrant(grants, row)) ? { id, canary } : undefined
}

/** What a migration knows of a form when it exchanges it: Key HSM has opened it under exactly this key. */
export function formerGrant(
  grants: Pick<Grants, 'mac'>,
  { uuid, hsmKeyId, scope, canary }: Pick<FormerRevision, 'uuid' | 'hsmKeyId' | 'scope' | 'canary'>,
): string {
  return macText(grants.mac('former', [uuid, hsmKeyId, scope, canary]))
}
