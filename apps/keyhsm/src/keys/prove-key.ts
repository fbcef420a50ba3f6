/** Proof that a new HSM key really gives back what it wraps: asked of the device once, before anything depends on it. */
import { timingSafeEqual } from 'node:crypto'
import { DomainError, SecretBytes, withSecret } from '@keyhsm/core'
import type { CallOptions, Hsm, HsmKey, WrappedKey } from '@keyhsm/hsm'

/**
 * Unwraps `wrapped` in the device and compares it with `contentKey`.
 * @throws ERR_HSM_REFUSED when something else comes back; every error of `unwrapKey`.
 */
export async function proveWrap(
  hsm: Hsm,
  proof: { key: HsmKey; contentKey: SecretBytes; wrapped: WrappedKey; binding: Buffer },
  options: CallOptions = {},
): Promise<void> {
  const back = await hsm.unwrapKey(proof.key.id, proof.wrapped, proof.binding, options)
  await withSecret(back, (unwrapped) => {
    const same = unwrapped.expose((a) =>
      proof.contentKey.expose((b) => a.length === b.length && timingSafeEqual(a, b)),
    )
    if (!same) {
      throw new DomainError('ERR_HSM_REFUSED', 'the HSM did not give back what its key wrapped')
    }
  })
}

/** Wraps a throw-away content key under `key` and proves that it comes back. */
export async function proveKey(hsm: Hsm, key: HsmKey, options: CallOptions = {}): Promise<void> {
  const binding = Buffer.from(`keyhsm proof ${key.id}`)
  await withSecret(SecretBytes.random(32), async (contentKey) => {
    const wrapped = await hsm.wrapKey(key.id, contentKey, binding, options)
    await proveWrap(hsm, { key, contentKey, wrapped, binding }, options)
  })
}
