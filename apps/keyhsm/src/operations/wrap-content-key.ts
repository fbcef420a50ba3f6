/** Wrapping a content key: in the device, or for RSA with the public key that was read from the device. */
import type { SecretBytes } from '@keyhsm/core'
import {
  type CallOptions,
  type Hsm,
  type HsmKey,
  parseWrapPublicKey,
  type WrappedKey,
  type WrapPublicKey,
  wrapInSoftware,
} from '@keyhsm/hsm'
import type { SealSettings } from './caller.js'

/** Parsing costs more than wrapping; an entry lives as long as its key is in use. */
const publicKeys = new WeakMap<HsmKey, WrapPublicKey>()

/** @throws every error of `wrapKey`; a software wrap asks the device for nothing and so cannot notice a missing key. */
export async function wrapContentKey(
  hsm: Hsm,
  key: HsmKey,
  wrap: { contentKey: SecretBytes; binding: Buffer; where: SealSettings['wrap'] },
  options: CallOptions,
): Promise<WrappedKey> {
  const { contentKey, binding, where } = wrap
  if (where === 'software' && (key.kind === 'rsa-2048' || key.kind === 'rsa-3072')) {
    const algorithm = hsm.capabilities.wrapAlgorithms[key.kind]
    const publicKey = publicKeyOf(key)
    if (algorithm && publicKey) return wrapInSoftware(publicKey, algorithm, contentKey, binding)
  }
  return await hsm.wrapKey(key.id, contentKey, binding, options)
}

function publicKeyOf(key: HsmKey): WrapPublicKey | undefined {
  const known = publicKeys.get(key)
  if (known || !key.publicKey) return known
  const parsed = parseWrapPublicKey(key.id, key.publicKey)
  publicKeys.set(key, parsed)
  return parsed
}
