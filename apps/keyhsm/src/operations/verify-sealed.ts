import { timingSafeEqual } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import { type OpeningWithin, openWithin } from './open-deposit.js'

/** Opens a new form and compares. @throws ERR_HSM_REFUSED when the new form does not give back the content: never the deposit's fault. */
export async function verifySealed(
  opening: OpeningWithin,
  sealed: Buffer,
  content: Buffer,
): Promise<void> {
  const again = await openWithin(opening, sealed).catch((cause: unknown) => {
    if (!(cause instanceof DomainError) || cause.code !== 'ERR_IRRETRIEVABLE') throw cause
    throw notTheSame(cause)
  })
  try {
    const same = again.content.length === content.length && timingSafeEqual(again.content, content)
    if (!same) throw notTheSame()
  } finally {
    again.content.fill(0)
  }
}

function notTheSame(cause?: unknown): DomainError {
  return new DomainError('ERR_HSM_REFUSED', 'the HSM failed: the new form does not open', { cause })
}
