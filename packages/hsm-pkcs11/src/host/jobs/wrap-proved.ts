/**
 * Wrapping and the proof of it in one job: what came out is unwrapped by the same session and compared here, so that the plain
 * key never travels back.
 */
import { requireSame } from '@keyhsm/hsm'
import type { CryptokiHandle } from '../../cryptoki.js'
import { type AesWrapArgs, unwrapAes, wrapAes } from './aes-wrap.js'
import type { JobSession } from './job-session.js'
import { decryptOaep, encryptOaep, type RsaOaepArgs } from './rsa-oaep.js'

export interface ProvedOaepArgs extends Omit<RsaOaepArgs, 'prove'> {
  /** The half that unwraps. */
  readonly privateKey: CryptokiHandle
}

/** @throws ERR_HSM_REFUSED when the private half gives back something else */
export function encryptProvedOaep(job: JobSession, args: ProvedOaepArgs): Buffer {
  const wrapped = encryptOaep(job, args)
  proveSame(decryptOaep(job, { ...args, key: args.privateKey, input: wrapped }), args.input)
  return wrapped
}

/** @throws ERR_HSM_REFUSED when the key gives back something else */
export function wrapProvedAes(job: JobSession, args: AesWrapArgs): Buffer {
  const wrapped = wrapAes(job, args)
  proveSame(unwrapAes(job, { ...args, input: wrapped }), args.input)
  return wrapped
}

function proveSame(unwrapped: Buffer, sent: Buffer): void {
  try {
    requireSame(unwrapped, sent)
  } finally {
    unwrapped.fill(0)
  }
}
