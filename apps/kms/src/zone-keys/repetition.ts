/**
 * Which changes are repetitions. Hadoop's client sends a create, roll or delete to the next instance when a reply is lost, and to
 * every instance after any other fault, so the second one must find the first one done and not do it again.
 *
 * A change is taken for a repetition when the last change of that name is the same one (kind, user, everything asked for), not
 * older than the window, and its answer was probably lost: it was made by another instance and no `_invalidatecache` for the name
 * came here since (the client sends one to every instance after a roll or delete that it knows to be done), or it was made here and its
 * reply never left.
 * @see docs/decisions/0062-repeated-changes.md
 */
import { createHash } from 'node:crypto'
import type { Change } from './zone-key.js'

/** A change under way, before it is known when it happens. */
export interface Wish {
  readonly kind: Change['kind']
  readonly by: string
  readonly digest: string
}

/** Keys that are remembered per instance; older ones are forgotten, and their repetitions answered like new requests. */
const maxRemembered = 10_000

export class Repetitions {
  readonly instance: string
  readonly #windowMs: () => number
  /** Name → when its cache was last invalidated here. */
  readonly #invalidatedAt = new Map<string, number>()
  /** Changes made here whose replies did not leave. */
  readonly #undelivered = new Set<string>()

  constructor(instance: string, windowMs: () => number) {
    this.instance = instance
    this.#windowMs = windowMs
  }

  invalidated(name: string, at: number): void {
    this.#invalidatedAt.delete(name)
    this.#invalidatedAt.set(name, at)
    if (this.#invalidatedAt.size > maxRemembered) {
      const [oldest] = this.#invalidatedAt.keys()
      if (oldest !== undefined) this.#invalidatedAt.delete(oldest)
    }
  }

  /** Call with what became of the reply to a change that was made here. */
  replied(name: string, change: Change, delivered: boolean): void {
    const id = idOf(name, change)
    if (delivered) this.#undelivered.delete(id)
    else if (this.#undelivered.size < maxRemembered) this.#undelivered.add(id)
  }

  isRepetition(name: string, wish: Wish, last: Change | undefined, now: number): boolean {
    if (last === undefined || last.kind !== wish.kind) return false
    if (last.by !== wish.by || last.digest !== wish.digest) return false
    if (now - last.at > this.#windowMs() || now < last.at - this.#windowMs()) return false
    if (last.instance === this.instance) return this.#undelivered.has(idOf(name, last))
    return (this.#invalidatedAt.get(name) ?? 0) < last.at
  }
}

/** A digest of everything that was asked for, the key material included; never reversible. */
export function wishDigest(parts: readonly unknown[], material?: Buffer): string {
  const hash = createHash('sha256').update(JSON.stringify(parts))
  // Only whether it is the same request: 16 bytes tell nothing about 128 or more random bits.
  if (material) hash.update('\0').update(material)
  return hash.digest('base64url').slice(0, 22)
}

function idOf(name: string, { at, kind }: Change): string {
  return `${at}/${kind}/${name}`
}
