import { changeKey, type Changed, type KeyStore } from './key-store.js'
import { requireKey } from './create-key.js'
import { wishDigest } from './repetition.js'

/** Deleted keys of one name that are kept: more than anybody deletes by mistake. */
const maxDeleted = 1000

/**
 * Takes a key out of reach: from here on its name is free and its versions are not found. Its deposits stay until they are purged,
 * so that it can be undone.
 * @throws ERR_NOT_FOUND
 */
export async function deleteKey(
  store: KeyStore,
  { name, by }: { readonly name: string; readonly by: string },
): Promise<Changed> {
  const wish = { kind: 'delete', by, digest: wishDigest([]) } as const
  const changed = await changeKey(store, name, wish, (before) => {
    const { named, key } = requireKey(before, `Key ${name} does not exist`)
    const deleted = { key, deletedAt: store.clock.now().getTime(), deletedBy: by }
    return {
      next: { name, deleted: [deleted, ...named.deleted].slice(0, maxDeleted) },
      puts: () => [],
    }
  })
  for (const { key } of changed.named.deleted) store.versions.forget(key.uid)
  return changed
}
