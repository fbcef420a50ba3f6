/**
 * MACs under keys of the appliance. HMAC-SHA-256 is an operation of the appliance. AES-CMAC, the fall-back for appliances
 * without HMAC keys, is made of its AES/CBC/NoPadding: the key stays inside; what comes out is the value of the cipher for
 * the zero block (the subkeys of RFC 4493 follow from it) and the chain over the message.
 */
import { DomainError, SecretBytes } from '@keyhsm/core'
import type { NaeLink } from '../connection/nae-link.js'
import { NaeRefusal, refusalToError } from '../failure.js'
import { crypto, type Device, type Use, useKey } from './device.js'
import { toKeyName } from '../keys/key-names.js'

const blockBytes = 16
const hmacBytes = 32

/** The MAC of `message`: 32 bytes (hmac-sha256) or 16 (cmac-aes-256). */
export async function authenticateInDevice(
  device: Device,
  use: Use,
  message: Buffer,
): Promise<SecretBytes> {
  try {
    const mac = await useKey(device, use, (link, { key }) =>
      key.kind === 'hmac-sha256'
        ? hmac(device, link, toKeyName(use.id), message)
        : cmac(device, link, toKeyName(use.id), message),
    )
    return SecretBytes.own(mac)
  } catch (error) {
    throw error instanceof NaeRefusal ? refusalToError(error) : error
  }
}

/** HMAC-SHA-256 of `message` under the key of this name. @throws ERR_HSM_REFUSED when it has another length */
export async function hmac(
  device: Device,
  link: NaeLink,
  keyName: string,
  message: Buffer,
): Promise<Buffer> {
  const call = { action: 'mac', keyName, algorithm: 'hmacSha256', data: message } as const
  return checkLength(await crypto(device, link, call), hmacBytes)
}

/** AES-CMAC of `message` under the key of this name. @see RFC 4493 §2.4 */
export async function cmac(
  device: Device,
  link: NaeLink,
  keyName: string,
  message: Buffer,
): Promise<Buffer> {
  const chain = (data: Buffer) => encryptChain(device, link, keyName, data)
  const first = double(await chain(Buffer.alloc(blockBytes)))
  const whole = message.length > 0 && message.length % blockBytes === 0
  const subkey = whole ? first : double(first)
  const padding = Buffer.alloc(blockBytes - (message.length % blockBytes))
  padding[0] = 0x80
  const padded = whole ? Buffer.from(message) : Buffer.concat([message, padding])
  const last = padded.subarray(-blockBytes)
  for (const [at, byte] of subkey.entries()) last.writeUInt8(last.readUInt8(at) ^ byte, at)
  const chained = await chain(padded)
  const mac = Buffer.from(chained.subarray(-blockBytes))
  for (const used of [first, subkey, padded, chained]) used.fill(0)
  return mac
}

async function encryptChain(
  device: Device,
  link: NaeLink,
  keyName: string,
  data: Buffer,
): Promise<Buffer> {
  const iv = Buffer.alloc(blockBytes)
  const call = { action: 'encrypt', keyName, algorithm: 'aesCbc', iv, data } as const
  return checkLength(await crypto(device, link, call), data.length)
}

/** Multiplication by x in GF(2^128). @see RFC 4493 §2.3 */
function double(block: Buffer): Buffer {
  const doubled = Buffer.alloc(blockBytes)
  for (let at = 0; at < blockBytes; at++) {
    const next = at + 1 < blockBytes ? block.readUInt8(at + 1) >> 7 : 0
    doubled.writeUInt8(((block.readUInt8(at) << 1) & 0xff) | next, at)
  }
  const carry = block.readUInt8(0) >> 7
  doubled.writeUInt8(doubled.readUInt8(blockBytes - 1) ^ (carry === 1 ? 0x87 : 0), blockBytes - 1)
  return doubled
}

function checkLength(answer: Buffer, bytes: number): Buffer {
  if (answer.length === bytes) return answer
  answer.fill(0)
  throw new DomainError('ERR_HSM_REFUSED', 'the HSM answered with an unexpected length')
}
