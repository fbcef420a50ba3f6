/** age recipients: post-quantum hybrid by default; one kind a file, because the weakest one decides what a file is worth. */
import { invalidInput } from '@keyhsm/core'

export type RecipientKind = 'hybrid' | 'x25519'

/** @see https://age-encryption.org/v1 for the prefixes: `age1pq1…` is ML-KEM-768 with X25519, `age1…` X25519 alone. */
const patterns: Readonly<Record<RecipientKind, RegExp>> = {
  hybrid: /^age1pq1[02-9ac-hj-np-z]{1900,2000}$/,
  x25519: /^age1[02-9ac-hj-np-z]{58}$/,
}

/** The one kind of `recipients`. @throws ERR_INVALID_INPUT when there is none, one is neither, or kinds are mixed. */
export function kindOfRecipients(recipients: readonly string[]): RecipientKind {
  const kinds = new Set(recipients.map(kindOf))
  const [kind] = kinds
  if (kind === undefined) throw invalidInput('recipients', 'must not be empty')
  if (kinds.size > 1)
    throw invalidInput('recipients', 'must all be post-quantum hybrid or all X25519')
  return kind
}

function kindOf(recipient: string): RecipientKind {
  for (const kind of ['hybrid', 'x25519'] as const) if (patterns[kind].test(recipient)) return kind
  throw invalidInput('recipients', 'must be age recipients (age1pq1… or age1…)')
}
