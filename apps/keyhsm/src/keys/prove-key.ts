/** Proof that a new HSM key really gives back what it wraps: asked of the device once, before anything depends on it. */
import { SecretBytes, withSecret } from '@keyhsm/core'
import { type CallOptions, type Hsm, type HsmKey, wrapProved } from '@keyhsm/hsm'

/** Wraps a throw-away content key under `key` and proves that it comes back. @throws as `wrapProved` */
export async function proveKey(
  hsm: Hsm,
  { id }: Pick<HsmKey, 'id'>,
  options: CallOptions = {},
): Promise<void> {
  const binding = Buffer.from(`keyhsm proof ${id}`)
  await withSecret(SecretBytes.random(32), (contentKey) =>
    wrapProved(hsm, { id, contentKey, binding }, options),
  )
}
