/** What the Trustee Server knows of sealing: bytes in, bytes out. It never holds a key that opens a deposit. */
import type { DomainError, Fingerprint, Handle, HsmKeyId, Uuid } from '@keyhsm/core'
import type { BodyOf, openRoute } from '@keyhsm/protocol'
import type { Trustees } from '../policies/trustees.js'

/** What sealed bytes are bound to. */
export interface SealContext {
  readonly organisation: Uuid
  readonly deposit: Uuid
  readonly handle: Handle
  readonly revision: number
}

export type Scope = 'deposit' | 'organisation' | 'service'

export interface SealOrder {
  readonly requestId: Uuid
  readonly context: SealContext
  /** Absent: Key HSM's setting. */
  readonly scope?: Scope | undefined
  readonly content: Buffer
  /** Sealed into the header; Key HSM verifies their signatures. */
  readonly trustees?: Trustees | undefined
}

export interface SealOrders extends Pick<SealOrder, 'requestId' | 'scope'> {
  readonly deposits: readonly Pick<SealOrder, 'context' | 'content' | 'trustees'>[]
}

/** What is stored of one revision. */
export interface SealedContent {
  readonly stored: Buffer
  readonly hsmKeyId: HsmKeyId | undefined
  readonly hsmKeyLabel: string | undefined
  readonly scope: Scope | undefined
  readonly kind: string | undefined
  /** Names the HSM partition that holds the key. */
  readonly canary: Fingerprint | undefined
  /** True when sealing made this HSM key: it is removed again if the deposit is certainly not stored. */
  readonly newKey: boolean
}

export interface OpenOrder {
  readonly requestId: Uuid
  readonly context: SealContext
  readonly stored: Buffer
  /** Names the HSM partition that holds the key; undefined: the joined one. */
  readonly canary: Fingerprint | undefined
  /** Asked exactly once: whether something was released must be known afterwards. */
  readonly once?: true
  /** What trustees have signed. */
  readonly approval?: NonNullable<BodyOf<typeof openRoute>['approval']>
}

/** An HSM key, and the partition that holds it. */
export interface HeldKey {
  readonly id: HsmKeyId
  /** Undefined: the joined one. */
  readonly canary: Fingerprint | undefined
}

/** Why a key that serves one deposit alone is made unusable. */
export type RevokeReason = 'discard' | 'purge' | 'migrate'

/** What Key HSM opens to see that a key may go, and from where it was read. */
export interface RevokeProof {
  readonly context: SealContext
  readonly stored: Buffer
  /** Names the HSM partition it is sealed in; undefined: the joined one. */
  readonly canary: Fingerprint | undefined
}

export interface Sealer {
  readonly sealing: 'hsm' | 'pass-through'
  /** Whether sealing with this scope makes an HSM key, for the quota. */
  makesKey(scope: Scope | undefined): boolean
  /** @throws ERR_HSM_UNAVAILABLE, ERR_WRONG_PARTITION, ERR_BUSY, ERR_HSM_FULL, ERR_UNAVAILABLE; a key may exist after them. */
  seal(order: SealOrder): Promise<SealedContent>
  /**
   * Several, whose request id and scope are one; what became of each, in their order. None of its keys is removed for another's failure.
   * @throws as {@link seal}, when nothing is known of any
   */
  sealAll(orders: SealOrders): Promise<readonly (SealedContent | DomainError)[]>
  /** @throws ERR_IRRETRIEVABLE for every way of not opening; the codes of {@link seal} for being unable to ask. */
  open(order: OpenOrder): Promise<Buffer>
  /**
   * Makes the key of one deposit alone unusable for ever; one that is gone is. `discard`: it was just made for bytes that are
   * certainly not stored. The others need a proof: `purge` the form sealed under this key, `migrate` the one that replaced it.
   * @throws as {@link seal}; ERR_HSM_REFUSED; ERR_NOT_ALLOWED when Key HSM is not shown that the key may go.
   */
  revoke(requestId: Uuid, key: HeldKey, reason: RevokeReason, proof?: RevokeProof): Promise<void>
}

export interface Sealing {
  readonly state: 'hsm' | 'pass-through' | 'none'
  /** Frames the client's bytes, whatever is in use: for those who move deposits. */
  readonly passThrough: Sealer
  /** The sealer for new deposits. @throws ERR_NOT_JOINED before `ktadmin keyhsm`, unless pass-through is set. */
  forPut(): Sealer
  /**
   * The sealer that opens what was stored so; undefined when the server would never have stored it so: once joined,
   * bytes that claim to be unsealed are somebody else's.
   */
  forRetrieval(stored: 'hsm' | 'pass-through'): Sealer | undefined
}
