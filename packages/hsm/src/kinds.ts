/** The kinds of HSM key. */

/** Kinds of HSM key that wrap content keys. */
export const wrappingKinds = ['ec-p256', 'rsa-2048', 'rsa-3072', 'aes-256'] as const
export type WrappingKind = (typeof wrappingKinds)[number]

/** Every kind: the wrapping ones, and the secrets that only authenticate (HMAC-SHA-256; AES-CMAC as fall-back). */
export const keyKinds = [...wrappingKinds, 'hmac-sha256', 'cmac-aes-256'] as const
export type KeyKind = (typeof keyKinds)[number]

/** True for the kinds that are a public and a private key. */
export function isPair(kind: KeyKind): boolean {
  return kind === 'ec-p256' || kind === 'rsa-2048' || kind === 'rsa-3072'
}
