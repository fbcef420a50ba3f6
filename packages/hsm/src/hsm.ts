/**
 * The contract of every HSM backend: PKCS#11 libraries, the software token, later KeySecure. The verbs name what the
 * device does for sealing, no vendor word among them. `@keyhsm/hsm/conformance` is the contract as tests; every backend
 * passes it unchanged.
 *
 * Failures, the same for every verb (all are `DomainError`):
 * - ERR_HSM_UNAVAILABLE  the device could not be asked (transient): nothing is known about the key. Retry.
 * - ERR_BUSY             the queue is full or the deadline passed while waiting.
 * - ERR_HSM_LOGIN        the login was refused; latched until a person acts, never tried again by itself.
 * - ERR_HSM_FULL         no room for a new key; existing keys still work.
 * - ERR_HSM_REFUSED      the device answered no (policy, template, a use the key does not have); vendor code in `cause`.
 * - ERR_HSM_NOT_SUPPORTED this backend cannot do that kind or algorithm.
 */
import type { Fingerprint, HsmKeyId, SecretBytes } from '@keyhsm/core'
import type { DeviceMemory } from './device-memory.js'
import type { KeyKind, WrappingKind } from './kinds.js'
import type { WrapAlgorithm } from './wrap-algorithms.js'

/** The single use of a key; a key never has two. `sign` is for audit checkpoints (ec-p256 only). */
export type KeyUse = 'wrap' | 'authenticate' | 'sign'

export interface KeySpec {
  /** CKA_ID. The id identifies. */
  readonly id: HsmKeyId
  /** CKA_LABEL, at most 64 characters of `[A-Za-z0-9._-]`. The label is for people. */
  readonly label: string
  readonly kind: KeyKind
  readonly use: KeyUse
  /** The label may be changed later: see `RenamingHsm`. */
  readonly renamable?: boolean
}

/** A key in the device. */
export interface HsmKey extends KeySpec {
  /** SubjectPublicKeyInfo, DER, of a pair; undefined for a secret key. */
  readonly publicKey: Buffer | undefined
  /**
   * SHA-256 of `publicKey`; for a secret key SHA-256 of "keyhsm secret key" ‖ id (16 bytes), because nothing of it may
   * leave the device. See `spkiFingerprint` and `secretKeyFingerprint`.
   */
  readonly fingerprint: Fingerprint
}

/** A content key as only the device can release it. `algorithm` travels with the bytes, never taken from settings. */
export interface WrappedKey {
  readonly algorithm: WrapAlgorithm
  readonly bytes: Buffer
}

export interface CallOptions {
  /** Give up after this many milliseconds: ERR_BUSY when still waiting, ERR_HSM_UNAVAILABLE when the device was asked. */
  readonly deadlineMs?: number
  /** Aborting rejects with ERR_HSM_UNAVAILABLE; a device call already begun is finished and its result wiped. */
  readonly signal?: AbortSignal
  /** Nobody waits for it: whatever else the device is asked goes first. Only `createKey` knows the difference. */
  readonly background?: boolean
}

/** What the backend found it can do when it connected: probed, not hoped. */
export interface HsmCapabilities {
  readonly kinds: readonly KeyKind[]
  /** Algorithm used by `wrapKey` for each wrapping kind it supports. */
  readonly wrapAlgorithms: Readonly<Partial<Record<WrappingKind, WrapAlgorithm>>>
  /** True when an acknowledged key survives a power cut. SoftHSM: false (it never fsyncs). */
  readonly durableKeys: boolean
  /** True when keys removed by other processes are noticed (see `recheck`). */
  readonly seesOutsideChanges: boolean
  /** True when the backend is a `RenamingHsm`. */
  readonly renames?: boolean
  /** True for a hardware device, false for SoftHSM, NSS and the software token. */
  readonly hardware: boolean
}

export interface HsmHealth {
  readonly state: 'ready' | 'unavailable' | 'login-refused'
  readonly roundTripMs: number | undefined
  /** One line for the operator: library, token, what is wrong. No PIN. */
  readonly detail: string
  readonly sessions: number
  /** `open`: the library died so often that it is left alone for a while. Absent where nothing can die. */
  readonly breaker?: 'closed' | 'open'
  readonly keys: number | undefined
  /** The device's own limit on keys where it tells one. */
  readonly keyLimit: number | undefined
  /** The device's own limit on key pairs, where it has fewer of them than of keys. */
  readonly pairLimit?: number
  /** Room for keys, where the device tells it. */
  readonly memory?: DeviceMemory
}

export interface Hsm {
  /** Profile name: `softhsm`, `luna`, …, `soft-token`. */
  readonly profile: string
  /** One line naming the device: manufacturer, model, token label and serial. */
  readonly description: string
  readonly capabilities: HsmCapabilities

  /**
   * Makes a key with exactly this id. It is not extractable and has only the asked-for use.
   * @throws ERR_INVALID_INPUT when `checkKeySpec` does not pass the specification; ERR_ALREADY_EXISTS when the id is
   * taken. After ERR_HSM_UNAVAILABLE the key may exist: look, or leave it to prune.
   */
  createKey(spec: KeySpec, options?: CallOptions): Promise<HsmKey>

  /**
   * The key with this id, or undefined after two looks on different sessions. (One empty search proves nothing.)
   * @throws ERR_CONFLICT when two keys have this id.
   */
  findKey(id: HsmKeyId, options?: CallOptions): Promise<HsmKey | undefined>

  /** Every key of ours on the token (those with a 16-byte id). For administration and start-up, never on a request's path. */
  listKeys(options?: CallOptions): Promise<readonly HsmKey[]>

  /**
   * Wraps a 32-byte content key. `binding` is authenticated with it where the algorithm can.
   * @throws ERR_NOT_FOUND when the key is missing (two looks); ERR_CONFLICT when two keys have this id;
   * ERR_INVALID_INPUT when the content key does not have 32 bytes.
   */
  wrapKey(
    id: HsmKeyId,
    contentKey: SecretBytes,
    binding: Buffer,
    options?: CallOptions,
  ): Promise<WrappedKey>

  /**
   * Unwraps a content key; the caller wipes it.
   * @throws ERR_NOT_FOUND and ERR_CONFLICT as wrapKey; ERR_INTEGRITY, always with the text of `wrappedKeyRefused`, when the
   * bytes, the algorithm or the binding do not belong to this key; ERR_HSM_NOT_SUPPORTED only for an algorithm that this kind
   * of key has on other devices.
   */
  unwrapKey(
    id: HsmKeyId,
    wrapped: WrappedKey,
    binding: Buffer,
    options?: CallOptions,
  ): Promise<SecretBytes>

  /**
   * A MAC of `message` under a key of use `authenticate`: 32 bytes (hmac-sha256) or 16 (cmac-aes-256).
   * @throws ERR_NOT_FOUND and ERR_CONFLICT as wrapKey; ERR_HSM_REFUSED by a key of another use.
   */
  authenticate(id: HsmKeyId, message: Buffer, options?: CallOptions): Promise<SecretBytes>

  /**
   * ECDSA P-256 over SHA-256 of `message`, as r ‖ s (64 bytes), by a key of use `sign`.
   * @throws as authenticate.
   */
  sign(id: HsmKeyId, message: Buffer, options?: CallOptions): Promise<Buffer>

  /**
   * Destroys private and public half and verifies that both are gone. Repeating it is harmless.
   * @throws ERR_CONFLICT when two keys have this id: which of them to destroy is for a person with the device's own tool.
   */
  destroyKey(id: HsmKeyId, options?: CallOptions): Promise<'destroyed' | 'already-gone'>

  /**
   * Proves again that every cached key is still on the token and forgets those that are not, so that a key removed with
   * the HSM's own tools stops opening. Off the request path; the caller decides how often.
   */
  recheck(options?: CallOptions): Promise<void>

  /** Whether the device answers right now. Never throws. */
  probe(options?: CallOptions): Promise<HsmHealth>

  /** Releases everything, child processes included. Safe to call twice; afterwards every verb is ERR_HSM_UNAVAILABLE. */
  close(): Promise<void>
}
