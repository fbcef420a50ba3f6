/** HSM keys that serve many deposits: how they are found in a listing of the partition, and which is the newest. */
import type { HsmKeyId, Realm, Uuid } from '@keyhsm/core'
import type { HsmKey } from '@keyhsm/hsm'
import type { KeyIds } from './key-ids.js'
import {
  formatOrganisationLabel,
  formatServiceLabel,
  type ParsedLabel,
  parseLabel,
  toRealmPart,
} from './labels.js'

/** Whom a shared key serves. */
export type SharedOwner =
  | { readonly purpose: 'organisation'; readonly realm: Realm; readonly organisation: Uuid }
  | { readonly purpose: 'service'; readonly realm: Realm }

export interface SharedKey {
  readonly key: HsmKey
  readonly generation: number
  /** UTC date of the label. */
  readonly createdOn: string
}

/** The shared keys of a listing by what their labels say. The labels prove nothing: {@link findSharedKeys} asks the ids. */
export class SharedKeyIndex {
  readonly #byOwner = new Map<string, SharedKey[]>()

  constructor(keys: readonly HsmKey[]) {
    for (const key of keys) {
      const label = key.use === 'wrap' ? parseLabel(key.label) : undefined
      if (label && isShared(label)) this.#put(nameOfLabel(label), toSharedKey(key, label))
    }
  }

  add(owner: SharedOwner, key: SharedKey): void {
    this.#put(nameOfOwner(owner), key)
  }

  remove(id: HsmKeyId): void {
    for (const [name, keys] of this.#byOwner) {
      this.#byOwner.set(
        name,
        keys.filter(({ key }) => key.id !== id),
      )
    }
  }

  /** Those whose id proves that they are `owner`'s; the newest first, ties by lowest id. */
  find(owner: SharedOwner, keyIds: KeyIds): SharedKey[] {
    const named = this.#byOwner.get(nameOfOwner(owner)) ?? []
    return named.filter(({ key }) => keyIds.belongs(key.id, owner)).sort(byRank)
  }

  #put(name: string, key: SharedKey): void {
    this.#byOwner.set(name, [...(this.#byOwner.get(name) ?? []), key])
  }
}

/** Label of the next shared key of `owner`. */
export function formatSharedLabel(owner: SharedOwner, generation: number, now: Date): string {
  return owner.purpose === 'organisation'
    ? formatOrganisationLabel(owner.organisation, generation, now)
    : formatServiceLabel(owner.realm, generation, now)
}

/** Order of {@link SharedKeyIndex.find}: negative when `a` is the better current key. */
export function byRank(a: SharedKey, b: SharedKey): number {
  if (a.generation !== b.generation) return b.generation - a.generation
  return a.key.id < b.key.id ? -1 : Number(a.key.id > b.key.id)
}

type SharedLabel = Extract<ParsedLabel, { generation: number }>

function isShared(label: ParsedLabel): label is SharedLabel {
  return 'generation' in label
}

function toSharedKey(key: HsmKey, label: SharedLabel): SharedKey {
  return { key, generation: label.generation, createdOn: label.createdOn }
}

function nameOfLabel(label: SharedLabel): string {
  return label.form === 'organisation'
    ? `organisation ${label.organisation}`
    : `service ${label.realmPart}`
}

function nameOfOwner(owner: SharedOwner): string {
  return owner.purpose === 'organisation'
    ? `organisation ${owner.organisation}`
    : `service ${toRealmPart(owner.realm)}`
}
