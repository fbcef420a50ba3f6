/** The keys of a cluster: one view a node, and changes that reach the other nodes after a while. */
import type { KeyObject } from 'node:crypto'

export type VersionState = 'active' | 'restricted' | 'retired' | 'wiped'

export interface KeyVersion {
  readonly number: string
  readonly state: VersionState
  /** Private or secret key; undefined when it was wiped. */
  readonly key: KeyObject | undefined
}

export interface StoredKey {
  readonly name: string
  readonly algorithm: string
  readonly bits: number | undefined
  readonly curve: string | undefined
  /** Empty: a global key. */
  readonly owner: string
  readonly deletable: boolean
  readonly exportable: boolean
  readonly versioned: boolean
  readonly attributes: readonly (readonly [string, string])[]
  readonly versions: readonly KeyVersion[]
}

export class KeyStore {
  readonly #views: readonly Map<string, StoredKey>[]
  readonly #timers = new Set<NodeJS.Timeout>()
  replicationMs: number

  constructor(nodes: number, replicationMs: number) {
    this.#views = Array.from({ length: nodes }, () => new Map<string, StoredKey>())
    this.replicationMs = replicationMs
  }

  /** What this node knows. */
  view(node: number): ReadonlyMap<string, StoredKey> {
    return this.#views[node] ?? new Map<string, StoredKey>()
  }

  /** A change made on one node; undefined removes. */
  set(node: number, name: string, key: StoredKey | undefined): void {
    for (const [at, view] of this.#views.entries()) {
      if (at === node || this.replicationMs === 0) put(view, name, key)
      else this.#later(() => put(view, name, key))
    }
  }

  /** On every node at once: what a person does who then waits. */
  setEverywhere(name: string, key: StoredKey | undefined): void {
    for (const view of this.#views) put(view, name, key)
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }

  #later(change: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      change()
    }, this.replicationMs)
    timer.unref()
    this.#timers.add(timer)
  }
}

function put(view: Map<string, StoredKey>, name: string, key: StoredKey | undefined): void {
  if (key) view.set(name, key)
  else view.delete(name)
}
