/** Wrapping such that nothing is returned that the device does not give back. */
import { timingSafeEqual } from 'node:crypto'
import { DomainError, type HsmKeyId, type SecretBytes, withSecret } from '@keyhsm/core'
import type { CallOptions, Hsm, WrappedKey } from './hsm.js'

/** What some backends can do besides: both calls of {@link wrapProved} on one way to the device. */
export interface ProvingHsm {
  /** @see wrapProved */
  wrapProvedKey(
    id: HsmKeyId,
    contentKey: SecretBytes,
    binding: Buffer,
    options?: CallOptions,
  ): Promise<WrappedKey>
}

/** What is wrapped, and under which key. */
export interface ToWrap {
  readonly id: HsmKeyId
  readonly contentKey: SecretBytes
  readonly binding: Buffer
}

/**
 * Wraps a content key and has the device unwrap the very bytes that are returned.
 * @throws ERR_HSM_REFUSED when something else comes back; what `wrapKey` and `unwrapKey` throw, ERR_INTEGRITY too when the
 * bytes do not unwrap.
 */
export function wrapProved(hsm: Hsm, what: ToWrap, options?: CallOptions): Promise<WrappedKey> {
  const { id, contentKey, binding } = what
  return canProveWraps(hsm)
    ? hsm.wrapProvedKey(id, contentKey, binding, options)
    : wrapAndUnwrap(hsm, what, options)
}

/** {@link wrapProved} in two calls, by any backend. */
export async function wrapAndUnwrap(
  hsm: Pick<Hsm, 'wrapKey' | 'unwrapKey'>,
  { id, contentKey, binding }: ToWrap,
  options?: CallOptions,
): Promise<WrappedKey> {
  const wrapped = await hsm.wrapKey(id, contentKey, binding, options)
  await withSecret(await hsm.unwrapKey(id, wrapped, binding, options), (back) =>
    back.expose((unwrapped) => contentKey.expose((sent) => requireSame(unwrapped, sent))),
  )
  return wrapped
}

/** @throws ERR_HSM_REFUSED unless the device gave back what it wrapped; compared in constant time */
export function requireSame(unwrapped: Uint8Array, sent: Uint8Array): void {
  if (unwrapped.length === sent.length && timingSafeEqual(unwrapped, sent)) return
  throw new DomainError('ERR_HSM_REFUSED', 'the HSM did not give back what its key wrapped')
}

function canProveWraps(hsm: Hsm): hsm is Hsm & ProvingHsm {
  return 'wrapProvedKey' in hsm
}
