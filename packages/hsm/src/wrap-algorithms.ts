/**
 * The closed table of ways to wrap a content key. `id` is stored in the sealed bytes and never changes its meaning;
 * `docs/formats/wrapped-key.md` prints this table and gives each byte.
 */
import type { WrappingKind } from './kinds.js'

export interface WrapAlgorithmTrait {
  /** One byte in the stored header. */
  readonly id: number
  readonly kinds: readonly WrappingKind[]
  /** True when the algorithm itself authenticates the binding; the payload layer binds it in any case. */
  readonly bindsContext: boolean
}

export const wrapAlgorithms = {
  'rsa-oaep-sha256': { id: 1, kinds: ['rsa-2048', 'rsa-3072'], bindsContext: false },
  /** Only where the device knows no other hash (SoftHSM 2.6, 2.7): OAEP needs no collision resistance. */
  'rsa-oaep-sha1': { id: 2, kinds: ['rsa-2048', 'rsa-3072'], bindsContext: false },
  'ecies-p256-hkdf-sha256-aes-256-gcm': { id: 3, kinds: ['ec-p256'], bindsContext: true },
  /** nonce(12) ‖ ciphertext ‖ tag(16). */
  'aes-256-gcm': { id: 4, kinds: ['aes-256'], bindsContext: true },
  /** RFC 5649; for devices that refuse a caller's GCM nonce. */
  'aes-256-kwp': { id: 5, kinds: ['aes-256'], bindsContext: false },
} as const satisfies Record<string, WrapAlgorithmTrait>

export type WrapAlgorithm = keyof typeof wrapAlgorithms

/** The algorithm with this stored id, or undefined: then the bytes were made by a later release or damaged. */
export function findWrapAlgorithm(id: number): WrapAlgorithm | undefined {
  const names = Object.keys(wrapAlgorithms) as WrapAlgorithm[]
  return names.find((name) => wrapAlgorithms[name].id === id)
}
