import type { DomainError, SecretBytes } from '@keyhsm/core'
import type { TokenChoice } from './messages.js'
import type { Pkcs11Profile } from './profile.js'
import type { Pkcs11ProfileName } from './profiles.js'

/** Where the backend says what happens to it. No PIN and no key material is ever given to it. */
export interface Pkcs11Log {
  debug(facts: object, message: string): void
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

export interface Pkcs11Options {
  /** A profile by name, or one of your own. */
  readonly profile: Pkcs11ProfileName | Pkcs11Profile
  /** Path of the vendor's library; by default the first of the profile's that exists. */
  readonly library?: string
  /** For libraries that take them at C_Initialize (NSS). */
  readonly libraryParameters?: string
  readonly token: TokenChoice
  /** Copied; the copy lives until `close`, because a host process that died must log in again. */
  readonly pin: SecretBytes
  /**
   * How RSA keys wrap: in the device (default), or in software with the public key read from the device, which saves a
   * round trip. EC keys always wrap in software (the ephemeral half is ours), AES keys always in the device.
   */
  readonly wrap?: 'device' | 'software'
  /** Recheck every so many milliseconds; by default only when the caller asks. */
  readonly recheckMs?: number
  /** More environment for the library, over what the profile lets through. */
  readonly env?: Readonly<Record<string, string>>
  /**
   * Program and first arguments that start the host process in surroundings the library needs, e.g. `preload` of nShield
   * for a K of N card set. It must end by becoming the host process (exec).
   */
  readonly launcher?: readonly string[]
  /** Threads with a session each; the profile's number by default. */
  readonly workers?: number
  readonly log?: Pkcs11Log
  /**
   * Called once, before anything else, when the device refused the login. It is not tried again; to keep it so after a
   * restart the caller must write it down here.
   */
  readonly onLoginRefused?: (error: DomainError) => void
}
