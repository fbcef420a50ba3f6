/** What Java's JKS and JCEKS end with: a digest over everything before it, bound to the password. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { DomainError } from '@keyhsm/core'

export const digestBytes = 20

export function digestOf(content: Buffer, password: string): Buffer {
  const units = Buffer.from(password, 'utf16le').swap16()
  return createHash('sha1').update(units).update('Mighty Aphrodite').update(content).digest()
}

/** @param hint where the password comes from. @throws ERR_NOT_AUTHENTICATED for another password or a changed file. */
export function requireDigest(bytes: Buffer, password: string, hint: string): void {
  const content = bytes.subarray(0, -digestBytes)
  if (timingSafeEqual(digestOf(content, password), bytes.subarray(-digestBytes))) return
  throw new DomainError(
    'ERR_NOT_AUTHENTICATED',
    'the keystore’s password is another one, or the file was changed',
    { hints: [hint] },
  )
}
