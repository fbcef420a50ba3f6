import { CKM } from '../../constants.js'
import type { CryptokiHandle } from '../../cryptoki.js'
import { ask } from '../ask.js'
import type { JobSession } from './job-session.js'

export interface SignArgs {
  readonly how: 'hmac-sha256' | 'cmac-aes-256' | 'ecdsa'
  readonly key: CryptokiHandle
  /** The message of a MAC; the SHA-256 digest for ECDSA. */
  readonly input: Buffer
}

const mechanisms = {
  'hmac-sha256': { mechanism: CKM.sha256Hmac, bytes: 32 },
  'cmac-aes-256': { mechanism: CKM.aesCmac, bytes: 16 },
  // The digest is made in software: SoftHSM 2.6 has no CKM_ECDSA_SHA256. The result is r ‖ s already.
  ecdsa: { mechanism: CKM.ecdsa, bytes: 64 },
} as const

/** C_Sign: a MAC or a signature. @see PKCS#11 v2.40 Current Mechanisms §2.3.6, §2.14, §2.22 */
export function sign({ cryptoki, session }: JobSession, { how, key, input }: SignArgs): Buffer {
  const { mechanism, bytes } = mechanisms[how]
  ask(cryptoki, 'C_SignInit', session, { mechanism }, key)
  return ask(cryptoki, 'C_Sign', session, present(input), Buffer.alloc(bytes))
}

/**
 * An empty Buffer reaches the library as a null pointer, which SoftHSM refuses with CKR_ARGUMENTS_BAD; an empty view on
 * some memory does not.
 */
function present(input: Buffer): Buffer {
  return input.length > 0 ? input : Buffer.alloc(1).subarray(0, 0)
}
