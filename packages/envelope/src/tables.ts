/** The closed tables of ids stored in a header. An id never changes its meaning and is never used again. */

/** How many deposits share one HSM key. */
export type SealedScope = 'deposit' | 'organisation' | 'service'
/** The kind of the HSM key that wraps the content key. */
export type SealedKind = 'ec-p256' | 'rsa-2048' | 'rsa-3072' | 'aes-256'

export const scopeIds: Readonly<Record<SealedScope, number>> = {
  deposit: 1,
  organisation: 2,
  service: 3,
}

export const kindIds: Readonly<Record<SealedKind, number>> = {
  'ec-p256': 1,
  'rsa-2048': 2,
  'rsa-3072': 3,
  'aes-256': 4,
}

/** AES-256-GCM under HKDF-SHA-256(content key ‖ K_auth), 12-byte nonce, 16-byte tag. */
export const contentAlgorithms = { 'hkdf-sha256-aes-256-gcm': 1 } as const

export type ContentAlgorithm = keyof typeof contentAlgorithms

/** The scope with this stored id, or undefined when no release up to this one wrote it. */
export function findScope(id: number): SealedScope | undefined {
  return findName(scopeIds, id)
}

/** The kind with this stored id, or undefined when no release up to this one wrote it. */
export function findKind(id: number): SealedKind | undefined {
  return findName(kindIds, id)
}

/** The content algorithm with this stored id, or undefined when no release up to this one wrote it. */
export function findContentAlgorithm(id: number): ContentAlgorithm | undefined {
  return findName(contentAlgorithms, id)
}

function findName<Name extends string>(
  table: Readonly<Record<Name, number>>,
  id: number,
): Name | undefined {
  return (Object.keys(table) as Name[]).find((name) => table[name] === id)
}
