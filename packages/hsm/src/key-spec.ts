/** What may be asked of `createKey`, checked once for every backend. */
import { invalidInput, parseHsmKeyId } from '@keyhsm/core'
import type { KeySpec, KeyUse } from './hsm.js'
import type { KeyKind } from './kinds.js'

/** The uses a kind can have. `sign` belongs to audit checkpoints. */
export const usesOfKind = {
  'ec-p256': ['wrap', 'sign'],
  'rsa-2048': ['wrap'],
  'rsa-3072': ['wrap'],
  'aes-256': ['wrap'],
  'hmac-sha256': ['authenticate'],
  'cmac-aes-256': ['authenticate'],
} as const satisfies Record<KeyKind, readonly KeyUse[]>

/** CKA_LABEL: at most 64 ASCII characters, so that every device takes it and every tool prints it. */
const labelPattern = /^[A-Za-z0-9._-]{1,64}$/

/**
 * Returns `spec` when a key may be made from it.
 * @throws ERR_INVALID_INPUT naming the field: id, label, kind or use.
 */
export function checkKeySpec(spec: KeySpec): KeySpec {
  parseHsmKeyId(spec.id, 'id')
  checkLabel(spec.label)
  const uses: readonly KeyUse[] | undefined = Object.hasOwn(usesOfKind, spec.kind)
    ? usesOfKind[spec.kind]
    : undefined
  if (!uses) throw invalidInput('kind', 'must be a kind of HSM key')
  if (!uses.includes(spec.use))
    throw invalidInput('use', `must be ${uses.join(' or ')} for this kind`)
  return spec
}

/** @throws ERR_INVALID_INPUT for a label that not every device takes. */
export function checkLabel(label: string): void {
  if (labelPattern.test(label)) return
  throw invalidInput('label', 'must be 1 to 64 characters of letters, digits, ".", "_" and "-"')
}
