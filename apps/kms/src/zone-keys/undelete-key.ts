/** The way back from being deleted; the other way out is `purge-key.ts`. */
import { DomainError } from '@keyhsm/core'
import { changeKey, type Changed, type KeyStore } from './key-store.js'
import { wishDigest } from './repetition.js'
import { noneDeleted } from './purge-key.js'

/** Brings the newest deleted key of this name back. @throws ERR_NOT_FOUND; ERR_ALREADY_EXISTS when the name is in use again. */
export function undeleteKey(
  store: KeyStore,
  { name, by }: { readonly name: string; readonly by: string },
): Promise<Changed> {
  const wish = { kind: 'undelete', by, digest: wishDigest([]) } as const
  return changeKey(store, name, wish, (before) => {
    const deleted = before?.deleted ?? []
    const newest = deleted.find(({ purging }) => !purging)
    if (!newest) throw noneDeleted(name)
    if (before?.key) throw new DomainError('ERR_ALREADY_EXISTS', `Key ${name} already exists`)
    const rest = deleted.filter((one) => one !== newest)
    return { next: { name, key: newest.key, deleted: rest }, puts: () => [] }
  })
}
