import type { HsmKeyId } from '@keyhsm/core'
import { type KeyKind, parseWrapPublicKey, type WrapPublicKey } from '@keyhsm/hsm'
import type { KeyFacts } from './verbs.js'

interface KnownKey {
  readonly kind: KeyKind
  readonly spki: Buffer | undefined
  parsed: WrapPublicKey | undefined
}

/** Keys remembered at most; the oldest go first. */
const capacity = 4096

/**
 * What the service process remembers of keys it met: the kind, as a hint on which way to wrap, and the parsed public key,
 * because parsing costs more than a wrap. A public key is used only when the device gave the same bytes again.
 */
export class KnownKeys {
  readonly #keys = new Map<HsmKeyId, KnownKey>()

  /** Remembers what the device said. */
  keep({ id, kind, publicKey }: Pick<KeyFacts, 'id' | 'kind' | 'publicKey'>): void {
    const known = this.#keys.get(id)
    if (known?.kind === kind && sameBytes(known.spki, publicKey)) return
    this.#keys.delete(id)
    this.#keys.set(id, { kind, spki: publicKey, parsed: undefined })
    const [oldest] = this.#keys.keys()
    if (this.#keys.size > capacity && oldest !== undefined) this.#keys.delete(oldest)
  }

  /** The kind, when the key was met before. */
  kindOf(id: HsmKeyId): KeyKind | undefined {
    return this.#keys.get(id)?.kind
  }

  /** The parsed form of a public key that the device has just given. @throws ERR_HSM_NOT_SUPPORTED */
  publicKey(facts: { id: HsmKeyId; kind: KeyKind; publicKey: Buffer }): WrapPublicKey {
    this.keep(facts)
    const known = this.#keys.get(facts.id)
    const parsed = known?.parsed ?? parseWrapPublicKey(facts.id, facts.publicKey)
    if (known) known.parsed = parsed
    return parsed
  }

  forget(id: HsmKeyId): void {
    this.#keys.delete(id)
  }
}

function sameBytes(one: Buffer | undefined, other: Buffer | undefined): boolean {
  return one === other || (one !== undefined && other !== undefined && one.equals(other))
}
