/**
 * The end of deleted keys: mark them in the description → purge the deposit of each version, whose HSM key is revoked → take them out of the
 * description. From the mark on none of them can be brought back, so a purge that was cut off leaves no key with half of its
 * versions; `resume-purges.ts` ends it, or whoever asks again, on any instance.
 */
import { DomainError, reached } from '@keyhsm/core'
import { versionHandle } from './handles.js'
import { inParallel } from './in-parallel.js'
import { changeKey, type Changed, type KeyStore } from './key-store.js'
import { type Wish, wishDigest } from './repetition.js'
import type { DeletedKey, NamedKey, ZoneKey } from './zone-key.js'

export interface Purged extends Changed {
  /** Keys and versions that are gone; none when a repeated request found all of it done. */
  readonly keys: number
  readonly versions: number
  /** Versions that nothing opens any more, whose HSM keys the Trustee Server revokes when the HSM answers. */
  readonly pending: number
  /** Versions under an HSM key that others share: their bytes in older backups still open. */
  readonly shared: number
}

type Counts = Omit<Purged, keyof Changed>

/** Versions purged at once: each revokes a key in the HSM. */
const atOnce = 4
const none: Counts = { keys: 0, versions: 0, pending: 0, shared: 0 }

/** @throws ERR_NOT_FOUND when no key of this name is deleted; the codes of being unable to ask: then it is ended later. */
export async function purgeKey(
  store: KeyStore,
  { name, by }: { readonly name: string; readonly by: string },
): Promise<Purged> {
  const done = doneBy(by)
  const found = await store.directory.look(name)
  if (found && found.named.deleted.length === 0) {
    const { named } = found
    const now = store.clock.now().getTime()
    if (store.repetitions.isRepetition(name, done, named.change, now))
      return { named, repeated: true, ...none }
  }
  return endPurge(store, { name, by }, await mark(store, { name, by }, found?.named))
}

/** Purges what is marked of `deleted`, and nothing else. @throws the codes of being unable to ask. */
export async function endPurge(
  store: KeyStore,
  { name, by }: { readonly name: string; readonly by: string },
  deleted: readonly DeletedKey[],
): Promise<Purged> {
  const purging = deleted.filter(isPurging)
  let total = none
  for (const { key } of purging) total = await purgeVersions(store, key, total)
  const gone = new Set(purging.map(({ key }) => key.uid))
  const changed = await changeKey(store, name, doneBy(by), (before) =>
    planOf(name, before, (all) => all.filter(({ key }) => !gone.has(key.uid))),
  )
  return { ...changed, ...total }
}

function doneBy(by: string): Wish {
  return { kind: 'purge', by, digest: wishDigest(['done']) }
}

/** All deleted keys of the name, marked. Nothing is written when a purge that was cut off has marked them. */
async function mark(
  store: KeyStore,
  { name, by }: { readonly name: string; readonly by: string },
  found: NamedKey | undefined,
): Promise<readonly DeletedKey[]> {
  const deleted = found?.deleted ?? []
  if (deleted.length > 0 && deleted.every(isPurging)) return deleted
  const wish = { kind: 'purge', by, digest: wishDigest(['mark']) } as const
  const { named } = await changeKey(store, name, wish, (before) => {
    if (!before || before.deleted.length === 0) throw noneDeleted(name)
    return planOf(name, before, (all) => all.map((one) => ({ ...one, purging: true as const })))
  })
  reached('key:purge-marked')
  return named.deleted
}

async function purgeVersions(
  store: KeyStore,
  { uid, versions }: ZoneKey,
  before: Counts,
): Promise<Counts> {
  let { pending, shared } = before
  const indexes = Array.from({ length: versions }, (_, index) => index)
  store.versions.forget(uid)
  await inParallel(atOnce, indexes, async (index) => {
    const purged = await store.vault.purge(versionHandle(uid, index))
    reached('key:version-purged')
    if (purged.pending) pending += 1
    if (purged.shared > 0) shared += 1
  })
  return { keys: before.keys + 1, versions: before.versions + versions, pending, shared }
}

function planOf(
  name: string,
  before: NamedKey | undefined,
  change: (deleted: readonly DeletedKey[]) => DeletedKey[],
) {
  const deleted = change(before?.deleted ?? [])
  return { next: { name, ...(before?.key ? { key: before.key } : {}), deleted }, puts: () => [] }
}

/** Marked: there is no way back. */
export function isPurging({ purging }: DeletedKey): boolean {
  return purging === true
}

/** What asking for a deleted key is answered with when there is none. */
export function noneDeleted(name: string): DomainError {
  return new DomainError('ERR_NOT_FOUND', `No deleted key ${name} can be found`)
}
