/** A form that was just made, read and opened as if it came from the store. */
import { timingSafeEqual } from 'node:crypto'
import { DomainError, hasCode, type SecretBytes } from '@keyhsm/core'
import { formatWrapBinding, openContent, parseSealed } from '@keyhsm/envelope'
import type { WrappedKey } from '@keyhsm/hsm'
import { checkHeader, type OpeningPlace } from './open-deposit.js'

/** What the device has shown of the form's key: that it unwraps `wrapped` under `binding` to `contentKey`. */
export interface ProvedWrap {
  readonly contentKey: SecretBytes
  readonly wrapped: WrappedKey
  readonly binding: Buffer
}

/**
 * Opens the form by what stands in it and compares. The device is not asked again: these very bytes were proved.
 * @throws ERR_HSM_REFUSED when the form does not give back the content: never the deposit's fault.
 */
export function verifySealed(
  place: OpeningPlace,
  form: Buffer,
  { content, ...proved }: ProvedWrap & { readonly content: Buffer },
): void {
  const again = openProved(place, form, proved)
  try {
    const same = again.length === content.length && timingSafeEqual(again, content)
    if (!same) throw notTheSame()
  } finally {
    again.fill(0)
  }
}

function openProved(
  place: OpeningPlace,
  form: Buffer,
  { contentKey, wrapped, binding }: ProvedWrap,
): Buffer {
  const { context, partition } = place
  try {
    const sealed = parseSealed(form)
    const { header } = sealed
    const isProved =
      checkHeader(place, header) === wrapped.algorithm &&
      header.wrappedKey.equals(wrapped.bytes) &&
      formatWrapBinding(header, context).equals(binding)
    if (!isProved) throw notTheSame()
    return openContent({ sealed, context, contentKey, authSecret: partition.keys.kAuth })
  } catch (error) {
    throw hasCode(error, 'ERR_INTEGRITY') ? notTheSame(error) : error
  }
}

function notTheSame(cause?: unknown): DomainError {
  return new DomainError('ERR_HSM_REFUSED', 'the HSM failed: the new form does not open', { cause })
}
