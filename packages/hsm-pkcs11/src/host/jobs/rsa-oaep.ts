import type { RsaOaepAlgorithm } from '@keyhsm/hsm'
import { CKG, CKM, CKZ_DATA_SPECIFIED, parameterKind } from '../../constants.js'
import type { CryptokiHandle, MechanismSpec } from '../../cryptoki.js'
import { ask } from '../ask.js'
import type { JobSession } from './job-session.js'
import { proveObject } from './object-state.js'

export interface RsaOaepArgs {
  readonly algorithm: RsaOaepAlgorithm
  readonly key: CryptokiHandle
  readonly input: Buffer
  /** The private half, touched before an encryption: what cannot be opened any more must not be wrapped. */
  readonly prove?: CryptokiHandle | undefined
}

const hashes = {
  'rsa-oaep-sha256': { hashAlg: CKM.sha256, mgf: CKG.mgf1Sha256 },
  'rsa-oaep-sha1': { hashAlg: CKM.sha1, mgf: CKG.mgf1Sha1 },
} as const

/** Room for the result of a 4096-bit key, given at once: asking for the length first costs a round trip. */
const maxModulusBytes = 512

/** C_Encrypt under the public half. @see PKCS#11 v2.40 Current Mechanisms §2.1.8 */
export function encryptOaep(job: JobSession, args: RsaOaepArgs): Buffer {
  const { algorithm, key, input, prove } = args
  const { cryptoki, session } = job
  if (prove) proveObject(job, prove)
  ask(cryptoki, 'C_EncryptInit', session, oaepMechanism(algorithm), key)
  return ask(cryptoki, 'C_Encrypt', session, input, Buffer.alloc(maxModulusBytes))
}

/** C_Decrypt under the private half. */
export function decryptOaep(job: JobSession, { algorithm, key, input }: RsaOaepArgs): Buffer {
  const { cryptoki, session } = job
  ask(cryptoki, 'C_DecryptInit', session, oaepMechanism(algorithm), key)
  return ask(cryptoki, 'C_Decrypt', session, input, Buffer.alloc(maxModulusBytes))
}

function oaepMechanism(algorithm: RsaOaepAlgorithm): MechanismSpec {
  const parameter = {
    type: parameterKind.rsaOaep,
    ...hashes[algorithm],
    source: CKZ_DATA_SPECIFIED,
  }
  return { mechanism: CKM.rsaPkcsOaep, parameter }
}
