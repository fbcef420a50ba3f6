import { DomainError } from '@keyhsm/core'
import { newUid, versionHandle } from './handles.js'
import { changeKey, type Changed, type KeyStore } from './key-store.js'
import { wishDigest } from './repetition.js'
import type { VaultPut } from './vault.js'
import { formatVersion, type NamedKey, requireWritable, type ZoneKey } from './zone-key.js'

export interface CreateOrder {
  readonly name: string
  readonly cipher: string
  readonly bits: number
  readonly description: string | null
  readonly attributes: Readonly<Record<string, string>>
  /** First version's material; wiped by the caller. */
  readonly material: Buffer
  /** The caller gave the material: it is part of what makes two requests the same. */
  readonly materialGiven: boolean
  readonly by: string
}

/** Makes a key with one version. @throws ERR_ALREADY_EXISTS when the name is in use. */
export function createKey(store: KeyStore, order: CreateOrder): Promise<Changed> {
  const { name, cipher, bits, description, attributes, by } = order
  const asked = [cipher, bits, description, sortedEntries(attributes)]
  const digest = wishDigest(asked, order.materialGiven ? order.material : undefined)
  return changeKey(store, name, { kind: 'create', by, digest }, (before) => {
    if (before?.key) throw new DomainError('ERR_ALREADY_EXISTS', `Key ${name} already exists`)
    const createdAt = store.clock.now().getTime()
    const key: ZoneKey = {
      uid: newUid(),
      cipher,
      bits,
      description,
      attributes: { ...attributes },
      createdAt,
      versions: 1,
    }
    requireWritable(key)
    return {
      next: { name, key, deleted: before?.deleted ?? [] },
      puts: () => [versionPut({ name, key }, 0, order.material)],
    }
  })
}

function sortedEntries(record: Readonly<Record<string, string>>): readonly [string, string][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))
}

/** The deposit of one version: with a scope of its own, so that revoking one HSM key destroys exactly it. */
export function versionPut(
  { name, key }: { readonly name: string; readonly key: ZoneKey },
  index: number,
  material: Buffer,
): VaultPut {
  const place = { name, uid: key.uid, index, cipher: key.cipher }
  return {
    handle: versionHandle(key.uid, index),
    content: formatVersion(place, material),
    scope: 'deposit',
    over: 'absent',
  }
}

/** @throws ERR_NOT_FOUND with the words given. */
export function requireKey(
  named: NamedKey | undefined,
  words: string,
): { readonly named: NamedKey; readonly key: ZoneKey } {
  if (!named?.key) throw new DomainError('ERR_NOT_FOUND', words)
  return { named, key: named.key }
}
