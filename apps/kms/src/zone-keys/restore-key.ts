/** The two ways out of being deleted: back, or gone for good. */
import { DomainError, type Handle } from '@keyhsm/core'
import { changeKey, type Changed, type KeyStore } from './key-store.js'
import { wishDigest } from './repetition.js'
import type { NamedKey } from './zone-key.js'

interface Order {
  readonly name: string
  readonly by: string
}

/** Brings the newest deleted key of this name back. @throws ERR_NOT_FOUND; ERR_ALREADY_EXISTS when the name is in use again. */
export function undeleteKey(store: KeyStore, { name, by }: Order): Promise<Changed> {
  const wish = { kind: 'undelete', by, digest: wishDigest([]) } as const
  return changeKey(store, name, wish, (before) => {
    const [newest, ...rest] = requireDeleted(before, name)
    if (before?.key) throw new DomainError('ERR_ALREADY_EXISTS', `Key ${name} already exists`)
    return { next: { name, key: newest.key, deleted: rest }, puts: () => [] }
  })
}

/** Version deposits that one batch removes. */
const batchSize = 90

/**
 * Removes the deposits of every deleted key of this name. It can be repeated after an interruption: the description forgets a key
 * only when all its versions are gone.
 * @returns how many keys were purged
 * @throws ERR_NOT_FOUND when no key of this name is deleted.
 */
export async function purgeKey(store: KeyStore, { name, by }: Order): Promise<number> {
  const found = await store.directory.look(name)
  const deleted = requireDeleted(found?.named, name)
  for (const { key } of deleted) {
    const present = await store.vault.list(`kms.v.${key.uid}.`)
    const handles = present.map(({ handle }) => handle as Handle)
    for (let from = 0; from < handles.length; from += batchSize)
      await store.vault.write([], handles.slice(from, from + batchSize))
    store.versions.forget(key.uid)
  }
  const uids = new Set(deleted.map(({ key }) => key.uid))
  await changeKey(store, name, { kind: 'purge', by, digest: wishDigest([...uids]) }, (before) => ({
    next: {
      name,
      ...(before?.key ? { key: before.key } : {}),
      deleted: (before?.deleted ?? []).filter(({ key }) => !uids.has(key.uid)),
    },
    puts: () => [],
  }))
  return deleted.length
}

function requireDeleted(
  named: NamedKey | undefined,
  name: string,
): [NamedKey['deleted'][number], ...NamedKey['deleted']] {
  const [newest, ...rest] = named?.deleted ?? []
  if (!newest) throw new DomainError('ERR_NOT_FOUND', `No deleted key ${name} can be found`)
  return [newest, ...rest]
}
