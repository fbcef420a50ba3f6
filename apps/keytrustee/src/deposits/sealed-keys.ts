/**
 * Which HSM keys a deposit's revisions need: what the sealed header says, because Key HSM opens by it. The columns beside it
 * are for searching, and whoever can write to the database can write another deposit's key there.
 */
import type { HsmKeyId, Uuid } from '@keyhsm/core'
import { parseSealed } from '@keyhsm/envelope'
import type { Reader, Revision, RevisionMeta } from '../store/store.js'

export interface SealedKeys {
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
  const own: HsmKeyId[] = []
  for (const meta of revisions) {
    const revision = await reader.findRevision(deposit, meta.revision)
    const { scope, hsmKeyId } = keyOf(revision ?? { ...meta, stored: Buffer.alloc(0) })
    if (scope === 'deposit' && hsmKeyId !== undefined) own.push(hsmKeyId)
  }
  return { hsmKeyIds: [...new Set(own)], sharedRevisions: revisions.length - own.length }
}

/** The header's key; the row's where there are no sealed bytes, or none that can be read. */
function keyOf(revision: Revision): Key {
  if (revision.sealing !== 'hsm') return { scope: undefined, hsmKeyId: undefined }
  try {
    return parseSealed(revision.stored).header
  } catch {
    return revision
  }
}
