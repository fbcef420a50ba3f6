/**
 * A content key under an AES key of the device. The stored form is the same for every device: `aes-256-gcm` is
 * nonce ‖ ciphertext ‖ tag, `aes-256-kwp` is RFC 5649.
 */
import { randomBytes } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import { aesGcmNonceBytes, aesGcmTagBytes, contentKeyBytes } from '@keyhsm/hsm'
import { CKA, parameterKind } from '../../constants.js'
import type { CryptokiHandle, MechanismSpec } from '../../cryptoki.js'
import type { AesWrap } from '../../profile.js'
import { contentKeyTemplate } from '../../templates.js'
import { ask } from '../ask.js'
import type { JobSession } from './job-session.js'
import { readAttribute } from './read-attributes.js'

export interface AesWrapArgs {
  readonly how: AesWrap
  readonly key: CryptokiHandle
  /** The content key, or the wrapped bytes. */
  readonly input: Buffer
  /** Never empty: SoftHSM 2.6.1 can crash on a GCM call without associated data (fixed in 2.7). */
  readonly associatedData: Buffer
}

/** Room for nonce, ciphertext, tag and the IV that a device in FIPS mode appends. */
const maxWrappedBytes = contentKeyBytes + 64

/** Wraps `input` and returns the stored form. */
export function wrapAes(job: JobSession, args: AesWrapArgs): Buffer {
  const { how } = args
  if (how.algorithm === 'aes-256-gcm') return encryptGcm[how.nonce](job, args)
  const mechanism = { mechanism: how.mechanism }
  return how.through === 'encrypt'
    ? encryptRaw(job, args, mechanism)
    : wrapObject(job, args, mechanism)
}

/** Unwraps the stored form. */
export function unwrapAes(job: JobSession, args: AesWrapArgs): Buffer {
  const { how, input, associatedData } = args
  if (how.algorithm === 'aes-256-gcm') {
    if (how.nonce === 'device-prepended') {
      return decryptRaw(job, args, gcm(how.mechanism, Buffer.alloc(0), associatedData))
    }
    const nonce = input.subarray(0, aesGcmNonceBytes)
    const sealed = { ...args, input: input.subarray(aesGcmNonceBytes) }
    return decryptRaw(job, sealed, gcm(how.mechanism, nonce, associatedData))
  }
  const mechanism = { mechanism: how.mechanism }
  return how.through === 'encrypt'
    ? decryptRaw(job, args, mechanism)
    : unwrapObject(job, args, mechanism)
}

function gcm(mechanism: number, nonce: Buffer, associatedData: Buffer): MechanismSpec {
  const parameter = {
    type: parameterKind.aesGcm,
    iv: nonce,
    ivBits: nonce.length * 8,
    aad: associatedData,
    tagBits: aesGcmTagBytes * 8,
  }
  return { mechanism, parameter }
}

const encryptGcm = {
  caller: (job: JobSession, args: AesWrapArgs) =>
    encryptWithNonce(job, args, randomBytes(aesGcmNonceBytes)),
  'device-prepended': (job: JobSession, args: AesWrapArgs) =>
    encryptRaw(job, args, gcm(args.how.mechanism, Buffer.alloc(0), args.associatedData)),
  'device-written': encryptWithWrittenNonce,
} as const

function encryptWithNonce(job: JobSession, args: AesWrapArgs, nonce: Buffer): Buffer {
  const sealed = encryptRaw(job, args, gcm(args.how.mechanism, nonce, args.associatedData))
  return Buffer.concat([nonce, sealed])
}

/** The binding hands over the nonce's address, so what the device writes there during C_Encrypt is seen here. */
function encryptWithWrittenNonce(job: JobSession, args: AesWrapArgs): Buffer {
  const nonce = Buffer.alloc(aesGcmNonceBytes)
  const stored = encryptWithNonce(job, args, nonce)
  // A device that used the zeros would use them each time, which breaks GCM: nothing wrapped so may leave.
  if (nonce.some((byte) => byte !== 0)) return stored
  throw new DomainError('ERR_HSM_REFUSED', 'the device made no nonce')
}

function encryptRaw(job: JobSession, args: AesWrapArgs, mechanism: MechanismSpec): Buffer {
  ask(job.cryptoki, 'C_EncryptInit', job.session, mechanism, args.key)
  return ask(job.cryptoki, 'C_Encrypt', job.session, args.input, Buffer.alloc(maxWrappedBytes))
}

function decryptRaw(job: JobSession, args: AesWrapArgs, mechanism: MechanismSpec): Buffer {
  ask(job.cryptoki, 'C_DecryptInit', job.session, mechanism, args.key)
  return ask(job.cryptoki, 'C_Decrypt', job.session, args.input, Buffer.alloc(maxWrappedBytes))
}

function wrapObject(job: JobSession, args: AesWrapArgs, mechanism: MechanismSpec): Buffer {
  const { cryptoki, session } = job
  const value = { type: CKA.value, value: args.input }
  const object = ask(cryptoki, 'C_CreateObject', session, [...contentKeyTemplate, value])
  try {
    const room = Buffer.alloc(maxWrappedBytes)
    return ask(cryptoki, 'C_WrapKey', session, mechanism, args.key, object, room)
  } finally {
    ask(cryptoki, 'C_DestroyObject', session, object)
  }
}

function unwrapObject(job: JobSession, args: AesWrapArgs, mechanism: MechanismSpec): Buffer {
  const { cryptoki, session } = job
  const { key, input } = args
  const object = ask(cryptoki, 'C_UnwrapKey', session, mechanism, key, input, contentKeyTemplate)
  try {
    return readAttribute(job, object, CKA.value) ?? Buffer.alloc(0)
  } finally {
    ask(cryptoki, 'C_DestroyObject', session, object)
  }
}
