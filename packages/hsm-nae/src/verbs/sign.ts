/** Signatures of audit checkpoints by an EC key of the appliance. */
import { createPublicKey, verify } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import type { NaeLink } from '../connection/nae-link.js'
import { NaeRefusal, refusalToError } from '../failure.js'
import { toKeyName } from '../keys/key-names.js'
import { crypto, type Device, type Use, useKey } from './device.js'

const coordinateBytes = 32

/** ECDSA P-256 over SHA-256 of `message`, as r ‖ s. */
export async function signInDevice(device: Device, use: Use, message: Buffer): Promise<Buffer> {
  try {
    return await useKey(device, use, (link, { key }) =>
      sign(device, link, { keyName: toKeyName(use.id), publicKey: key.publicKey, message }),
    )
  } catch (error) {
    throw error instanceof NaeRefusal ? refusalToError(error) : error
  }
}

/**
 * Asks for a signature and checks it with the public key: appliances may answer in DER or raw, and might hash otherwise.
 * @throws ERR_HSM_REFUSED when it verifies in neither form
 */
export async function sign(
  device: Device,
  link: NaeLink,
  asked: { keyName: string; publicKey: Buffer | undefined; message: Buffer },
): Promise<Buffer> {
  const { keyName, message } = asked
  const call = { action: 'sign', keyName, algorithm: 'ecdsaSha256', data: message } as const
  const answer = await crypto(device, link, call)
  const key = createPublicKey({ key: asked.publicKey ?? '', format: 'der', type: 'spki' })
  const candidates = [answer, derToRaw(answer)].filter((each) => each?.length === 64)
  for (const raw of candidates) {
    if (raw && verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, raw)) return raw
  }
  throw new DomainError('ERR_HSM_REFUSED', 'the HSM gave a signature that does not verify')
}

/** r ‖ s of a DER `SEQUENCE { INTEGER r, INTEGER s }`; undefined for other bytes. @see RFC 3279 §2.2.3 */
export function derToRaw(der: Buffer): Buffer | undefined {
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return undefined
  const r = readInteger(der, 2)
  const s = r && readInteger(der, r.end)
  if (!r || !s || s.end !== der.length) return undefined
  const raw = Buffer.alloc(2 * coordinateBytes)
  r.value.copy(raw, coordinateBytes - r.value.length)
  s.value.copy(raw, 2 * coordinateBytes - s.value.length)
  return raw
}

function readInteger(der: Buffer, at: number): { value: Buffer; end: number } | undefined {
  const length = der[at + 1]
  if (der[at] !== 0x02 || length === undefined || length === 0) return undefined
  const end = at + 2 + length
  const bytes = der.subarray(at + 2, end)
  const value = bytes[0] === 0 ? bytes.subarray(1) : bytes
  return end <= der.length && value.length <= coordinateBytes ? { value, end } : undefined
}
