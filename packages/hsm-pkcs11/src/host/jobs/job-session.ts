/** What a job works with: the library and the one session of its worker thread. */
import type { Cryptoki, CryptokiHandle } from '../../cryptoki.js'
import type { Pkcs11Profile } from '../../profile.js'

export interface JobSession {
  readonly cryptoki: Cryptoki
  readonly slot: CryptokiHandle
  readonly session: CryptokiHandle
  readonly profile: Pkcs11Profile
  /** False when no other process can have made a key since our directory was filled. */
  readonly changedOutside: boolean
}
