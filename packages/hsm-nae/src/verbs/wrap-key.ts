/** Wrapping and unwrapping a content key under a key of the appliance. */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { DomainError, SecretBytes } from '@keyhsm/core'
import {
  aesGcmAssociatedData,
  aesGcmNonceBytes,
  aesGcmTagBytes,
  aesGcmWrappedBytes,
  contentKeyBytes,
  formatAesGcmWrapped,
  type HsmKey,
  parseAesGcmWrapped,
  type WrapAlgorithm,
  type WrappedKey,
  wrapAlgorithms,
  wrappedKeyRefused,
} from '@keyhsm/hsm'
import type { NaeLink } from '../connection/nae-link.js'
import type { ValueKey } from '../dialect/dialect.js'
import { LinkError, NaeRefusal, refusalToError } from '../failure.js'
import type { KnownKey } from '../keys/key-directory.js'
import { toKeyName } from '../keys/key-names.js'
import { crypto, type Device, mayNot, type Use, useKey } from './device.js'

/** Algorithms that this backend knows, as the appliance names them. */
export const naeAlgorithms = {
  'rsa-oaep-sha256': 'oaepSha256',
  'rsa-oaep-sha1': 'oaepSha1',
  'aes-256-gcm': 'aesGcm',
} as const satisfies Partial<Record<WrapAlgorithm, ValueKey>>

export type NaeAlgorithm = keyof typeof naeAlgorithms

/** True for the algorithms of {@link naeAlgorithms}. */
export function isNaeAlgorithm(algorithm: string): algorithm is NaeAlgorithm {
  return Object.hasOwn(naeAlgorithms, algorithm)
}

/** Wraps in the device. The plain bytes are wiped when the answer is there. */
export async function wrapInDevice(
  device: Device,
  use: Use,
  algorithm: NaeAlgorithm,
  input: { contentKey: SecretBytes; binding: Buffer },
): Promise<WrappedKey> {
  const data = input.contentKey.expose((bytes) => Buffer.from(bytes))
  try {
    const bytes = await useKey(device, use, (link, { key }) =>
      encrypt(device, link, { key, algorithm, binding: input.binding, data }),
    )
    if (bytes.length === wrappedBytes(algorithm, await device.directory.need(use.id))) {
      return { algorithm, bytes }
    }
    throw new DomainError('ERR_HSM_REFUSED', 'the HSM wrapped to an unexpected length')
  } catch (error) {
    throw error instanceof NaeRefusal ? refusalToError(error) : error
  } finally {
    data.fill(0)
  }
}

/**
 * Unwraps in the device.
 * @throws ERR_INTEGRITY when the bytes do not belong to the key: the appliance says so, or refuses them while it opens
 * others under the same key
 */
export async function unwrapInDevice(
  device: Device,
  use: Use,
  wrapped: WrappedKey,
  binding: Buffer,
): Promise<SecretBytes> {
  const algorithm = chooseAlgorithm(await device.directory.need(use.id), wrapped)
  const step = { algorithm, binding, data: wrapped.bytes }
  try {
    const secret = await useKey(device, use, (link, { key }) =>
      decrypt(device, link, { ...step, key }),
    )
    return toContentKey(secret)
  } catch (error) {
    if (!(error instanceof NaeRefusal)) throw error
    if (error.means === 'bad-ciphertext') throw wrappedKeyRefused(error)
    if (!ambiguous.has(error.means)) throw refusalToError(error)
    return toContentKey(await tryBeside(device, use, step))
  }
}

function toContentKey(secret: Buffer): SecretBytes {
  if (secret.length === contentKeyBytes) return SecretBytes.own(secret)
  secret.fill(0)
  throw wrappedKeyRefused()
}

/** The algorithm of the record, when it is one of this key's and the bytes have its length. */
function chooseAlgorithm({ key }: KnownKey, { algorithm, bytes }: WrappedKey): NaeAlgorithm {
  if (key.use !== 'wrap') throw mayNot('wrap')
  const kinds: readonly string[] = wrapAlgorithms[algorithm].kinds
  if (!kinds.includes(key.kind)) throw wrappedKeyRefused()
  if (!isNaeAlgorithm(algorithm)) {
    throw new DomainError('ERR_HSM_NOT_SUPPORTED', `the HSM does not unwrap ${algorithm}`)
  }
  if (bytes.length !== wrappedBytes(algorithm, { key })) throw wrappedKeyRefused()
  return algorithm
}

/** Refusals that could be about the bytes or about the appliance. */
const ambiguous: ReadonlySet<string> = new Set(['unknown', 'bad-request', 'busy', 'not-supported'])

/**
 * Unwraps once more, beside a wrap of our own on the same connection: when the appliance gives that back and still refuses
 * the bytes, they are bad. When it does not give it back, nothing can be said about them.
 * @throws ERR_INTEGRITY, ERR_HSM_UNAVAILABLE
 */
async function tryBeside(device: Device, use: Use, step: Omit<Step, 'key'>): Promise<Buffer> {
  const own = randomBytes(contentKeyBytes)
  return await useKey(device, use, async (link, { key }) => {
    await ensureGivesBack(device, link, { ...step, key, data: own })
    try {
      return await decrypt(device, link, { ...step, key })
    } catch (error) {
      throw error instanceof NaeRefusal ? wrappedKeyRefused(error) : error
    }
  })
}

/** @throws LinkError when not: the login of this connection may be lost, in words that nobody knows */
async function ensureGivesBack(device: Device, link: NaeLink, step: Step): Promise<void> {
  try {
    const bytes = await encrypt(device, link, step)
    const back = await decrypt(device, link, { ...step, data: bytes })
    if (back.length === step.data.length && timingSafeEqual(back, step.data)) return
  } catch (error) {
    if (!(error instanceof NaeRefusal)) throw error
  }
  link.close()
  throw new LinkError('lost', 'the HSM does not give back what it wraps')
}

interface Step {
  readonly key: Pick<HsmKey, 'id'>
  readonly algorithm: NaeAlgorithm
  readonly binding: Buffer
  readonly data: Buffer
}

async function encrypt(device: Device, link: NaeLink, step: Step): Promise<Buffer> {
  const { key, data } = step
  const call = {
    action: 'encrypt',
    keyName: toKeyName(key.id),
    algorithm: naeAlgorithms[step.algorithm],
    data,
  } as const
  if (step.algorithm !== 'aes-256-gcm') return await crypto(device, link, call)
  const nonce = randomBytes(aesGcmNonceBytes)
  const aad = aesGcmAssociatedData(key.id, step.binding)
  const gcm = { ...call, iv: nonce, aad, tagBytes: aesGcmTagBytes }
  const sealed = await crypto(device, link, gcm)
  return formatAesGcmWrapped({ nonce, sealed })
}

async function decrypt(device: Device, link: NaeLink, step: Step): Promise<Buffer> {
  const { key, data } = step
  const call = {
    action: 'decrypt',
    keyName: toKeyName(key.id),
    algorithm: naeAlgorithms[step.algorithm],
    data,
  } as const
  if (step.algorithm !== 'aes-256-gcm') return await crypto(device, link, call)
  const { nonce, sealed } = parseAesGcmWrapped(data)
  const aad = aesGcmAssociatedData(key.id, step.binding)
  return await crypto(device, link, {
    ...call,
    data: sealed,
    iv: nonce,
    aad,
    tagBytes: aesGcmTagBytes,
  })
}

function wrappedBytes(algorithm: NaeAlgorithm, { key }: { key: HsmKey }): number {
  if (algorithm === 'aes-256-gcm') return aesGcmWrappedBytes
  return key.kind === 'rsa-3072' ? 384 : 256
}
