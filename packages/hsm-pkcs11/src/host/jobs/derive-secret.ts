import { CKA, CKD_NULL, CKM, parameterKind } from '../../constants.js'
import type { CryptokiHandle } from '../../cryptoki.js'
import { derivedSecretTemplate } from '../../templates.js'
import { ask } from '../ask.js'
import type { JobSession } from './job-session.js'
import { readAttribute } from './read-attributes.js'

export interface DeriveSecretArgs {
  readonly key: CryptokiHandle
  /** Uncompressed, 65 bytes, already proved to be on the curve. */
  readonly point: Buffer
}

/**
 * The x-coordinate of an ECDH with the private half. The derived object lives in the session for this call only. May
 * lack leading zero bytes; the caller pads. @see PKCS#11 v2.40 Current Mechanisms §2.3.8
 */
export function deriveSecret(job: JobSession, { key, point }: DeriveSecretArgs): Buffer {
  const { cryptoki, session } = job
  const mechanism = {
    mechanism: CKM.ecdh1Derive,
    parameter: { type: parameterKind.ecdh1, kdf: CKD_NULL, publicData: point },
  }
  const object = ask(cryptoki, 'C_DeriveKey', session, mechanism, key, derivedSecretTemplate)
  try {
    return readAttribute(job, object, CKA.value) ?? Buffer.alloc(0)
  } finally {
    ask(cryptoki, 'C_DestroyObject', session, object)
  }
}
