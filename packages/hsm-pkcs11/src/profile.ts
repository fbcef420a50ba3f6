/**
 * A profile is the data that describes how one vendor's library behaves. Nothing in this package asks which vendor it
 * talks to: a quirk is a field here, with its source in the vendor's file. A profile is plain data (it travels to the
 * host process).
 */
import type { RsaOaepAlgorithm, WrappingKind } from '@keyhsm/hsm'
import type { ReturnCodeOverride } from './return-codes.js'

/** How the device wraps under an AES key. The first entry of a profile's list that works is used for new wraps. */
export type AesWrap =
  | {
      readonly algorithm: 'aes-256-gcm'
      readonly mechanism: number
      /**
       * `caller`: we hand in 12 random bytes. `device-prepended`: the device makes the nonce and puts it before the
       * ciphertext, which is our stored form already. `device-written`: it writes the nonce into 12 zero bytes of ours.
       */
      readonly nonce: 'caller' | 'device-prepended' | 'device-written'
    }
  | {
      readonly algorithm: 'aes-256-kwp'
      readonly mechanism: number
      /** `encrypt`: C_Encrypt takes the 32 bytes. `wrap-key`: they must be an object first (C_CreateObject, C_WrapKey). */
      readonly through: 'encrypt' | 'wrap-key'
    }

/** Attributes that this vendor refuses to see in a template of that class. Numbers of `CKA`. */
export interface TemplateDifferences {
  readonly omitPublic: readonly number[]
  readonly omitPrivate: readonly number[]
  readonly omitSecret: readonly number[]
  /** CKA_MODIFIABLE=false is stated on private and secret keys where the device honours it. */
  readonly statesModifiable: boolean
}

/**
 * Where several processes share one token without the library protecting them from each other: what names the
 * cross-process lock. `configured-directory`: the token directory that the library's configuration file names; in each of
 * its subdirectories `stampFile` changes with every object made or destroyed. `library-parameters`: the parameters.
 */
export type SharedToken =
  | {
      readonly by: 'configured-directory'
      /** Environment variable that names the library's configuration file. */
      readonly configVariable: string
      /** Tried in order when the variable is not set; `~` is the home directory. */
      readonly configDefaults: readonly string[]
      /** The line of that file which names the directory: `setting = path`. */
      readonly setting: string
      readonly stampFile: string
    }
  | { readonly by: 'library-parameters' }

/** Milliseconds after which one library call counts as hung and the host process is killed. */
export interface CallLimits {
  readonly useMs: number
  readonly lookMs: number
  readonly writeMs: number
  /** A whole listing, many calls: only the deadline of a caller who names none. */
  readonly listMs: number
  /** Load, initialise, log in. */
  readonly startMs: number
}

/** Groups of facts that a profile is made of. */
export type FactName =
  | 'libraryPaths'
  | 'token'
  | 'password'
  | 'environment'
  | 'mechanisms'
  | 'templates'
  | 'returnCodes'
  | 'capacity'

/** Where a group of facts is known from. The vendor's page in docs/operations/hsm/ holds the same table. */
export interface ProfileFact {
  readonly source: string
  /**
   * `library`: with the library itself. `replayed`: our side alone, against a module that behaves as the source says
   * (interop/vendors/). `never`: by nobody.
   */
  readonly tried: 'library' | 'replayed' | 'never'
}

export interface Pkcs11Profile {
  readonly name: string
  /** For the operator: product and versions meant. */
  readonly title: string
  readonly hardware: boolean
  /** Where the vendor installs the library, most usual first. */
  readonly libraryPaths: readonly string[]
  /** Environment variables the library reads; a trailing `*` is a prefix. Nothing else is handed to the host process. */
  readonly environment: readonly string[]
  readonly login: { readonly userType: number; readonly form: 'pin' | 'user:password' }
  readonly defaultKind: WrappingKind
  /** Whether C_DeriveKey gives the shared secret itself (CKD_NULL): without it EC keys sign, but do not wrap. */
  readonly rawEcdh: boolean
  /** OAEP hashes in order of preference. */
  readonly oaep: readonly RsaOaepAlgorithm[]
  readonly aes: readonly AesWrap[]
  /** Mechanisms that generate RSA pairs; the first that the token lists is used. */
  readonly rsaKeyPairGen: readonly number[]
  /** `exclusive`: nothing else runs during a write, only uses while a key is made. `serial`: one write at a time. `concurrent`: no rule. */
  readonly writes: 'exclusive' | 'serial' | 'concurrent'
  /** Set where processes must exclude each other on the token. */
  readonly sharedToken: SharedToken | undefined
  /** Threads with one session each. */
  readonly workers: number
  /** Handles asked for by one C_FindObjects. */
  readonly findMax: number
  /** Before a wrap that needs only the public half, prove that the private half is still there. */
  readonly proveBeforeWrap: boolean
  readonly durableKeys: boolean
  /** Whether C_SetAttributeValue changes the label of a key that was made modifiable. */
  readonly renames: boolean
  readonly seesOutsideChanges: boolean
  /** The device's limit on keys where the vendor documents one. */
  readonly keyLimit: number | undefined
  /** Most key pairs, where the vendor documents a limit of their own. */
  readonly pairLimit?: number
  /** Whether the memory fields of CK_TOKEN_INFO say how much room is left for keys. */
  readonly tellsMemory: boolean
  /** Pause between the two looks that together prove that a key is gone. */
  readonly secondLookMs: number
  /** A key made this short a time ago may still be invisible on a member of the cluster: not found is then unavailable. */
  readonly settleMs: number
  readonly limits: CallLimits
  readonly returnCodes: readonly ReturnCodeOverride[]
  readonly templates: TemplateDifferences
  /** Where the data comes from, and whether it was tried on a real device. */
  readonly provenance: string
  readonly facts: Readonly<Record<FactName, ProfileFact>>
}
