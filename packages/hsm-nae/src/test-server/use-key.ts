/** What an appliance does with a key, by node:crypto. */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  sign,
} from 'node:crypto'
import { Refusal } from './refusal.js'

export interface UseRequest {
  readonly action: 'encrypt' | 'decrypt' | 'mac' | 'sign'
  readonly key: KeyObject
  readonly iv: Buffer | undefined
  readonly aad: Buffer | undefined
  readonly tagBits: number | undefined
  readonly data: Buffer
  readonly signatures: 'der' | 'raw'
}

type Use = (request: UseRequest) => Buffer

/** What an algorithm can do, by the name that the dialect has for it. */
export const algorithmUses = {
  oaepSha256: { type: 'RSA', encrypt: oaep('sha256'), decrypt: oaep('sha256') },
  oaepSha1: { type: 'RSA', encrypt: oaep('sha1'), decrypt: oaep('sha1') },
  aesGcm: { type: 'AES', encrypt: sealGcm, decrypt: openGcm },
  aesCbc: { type: 'AES', encrypt: cbc, decrypt: cbc },
  hmacSha256: { type: 'HMAC', mac: hmac },
  ecdsaSha256: { type: 'EC', sign: ecdsa },
} as const satisfies Record<string, { type: string } & Partial<Record<UseRequest['action'], Use>>>

export type AlgorithmName = keyof typeof algorithmUses

/** Runs one operation. @throws Refusal */
export function useKey(name: AlgorithmName, request: UseRequest): Buffer {
  const row: Partial<Record<UseRequest['action'], Use>> = algorithmUses[name]
  const use = row[request.action]
  if (!use) throw new Refusal('algorithm')
  try {
    return use(request)
  } catch (error) {
    throw error instanceof Refusal ? error : new Refusal('decryption')
  }
}

function oaep(oaepHash: string): Use {
  const padding = constants.RSA_PKCS1_OAEP_PADDING
  return ({ action, key, data }) =>
    action === 'encrypt'
      ? publicEncrypt({ key: createPublicKey(key), padding, oaepHash }, data)
      : privateDecrypt({ key, padding, oaepHash }, data)
}

function sealGcm({ key, iv, aad, tagBits, data }: UseRequest): Buffer {
  if (iv?.length !== 12 || tagBits !== 128) throw new Refusal('size')
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  if (aad) cipher.setAAD(aad)
  return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()])
}

function openGcm({ key, iv, aad, tagBits, data }: UseRequest): Buffer {
  if (iv?.length !== 12 || tagBits !== 128 || data.length < 16) throw new Refusal('size')
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: 16 })
  if (aad) decipher.setAAD(aad)
  decipher.setAuthTag(data.subarray(-16))
  return Buffer.concat([decipher.update(data.subarray(0, -16)), decipher.final()])
}

function cbc({ action, key, iv, data }: UseRequest): Buffer {
  if (iv?.length !== 16 || data.length % 16 !== 0) throw new Refusal('size')
  const make = action === 'encrypt' ? createCipheriv : createDecipheriv
  const cipher = make('aes-256-cbc', key, iv)
  cipher.setAutoPadding(false)
  return Buffer.concat([cipher.update(data), cipher.final()])
}

function hmac({ key, data }: UseRequest): Buffer {
  return createHmac('sha256', key).update(data).digest()
}

function ecdsa({ key, data, signatures }: UseRequest): Buffer {
  return sign('sha256', data, { key, dsaEncoding: signatures === 'raw' ? 'ieee-p1363' : 'der' })
}
