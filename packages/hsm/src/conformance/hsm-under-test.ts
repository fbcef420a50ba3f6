/** What a backend gives the conformance suite: how to connect, and how to hurt it with tools that are not its own. */
import type { HsmKeyId } from '@keyhsm/core'
import type { Hsm, HsmKey } from '../hsm.js'
import type { KeyKind } from '../kinds.js'

/** Undoes what a hook did. Called once, before the connection has to recover; may do nothing. */
export type Repair = () => Promise<void>

/** Connecting with a wrong PIN, and the device's own count of how often it was tried. */
export interface WrongPin {
  /** Rejects with ERR_HSM_LOGIN, or resolves to a connection that answers ERR_HSM_LOGIN to everything. */
  connect(): Promise<Hsm>
  /** Logins the device has seen since this object was made. */
  loginAttempts(): Promise<number> | number
}

export interface HsmUnderTest {
  /** A connection to the token. The suite closes one before it asks for the next, except by `connectSecond`. */
  connect(): Promise<Hsm>
  /** Secrets that may appear nowhere: the PIN, passwords. At least one, each of 8 characters or more. */
  readonly secrets: readonly string[]

  /** A connection of another process (or as good as one) to the same token, open beside the first. */
  connectSecond?(): Promise<Hsm>
  /** Removes every object with this id by the device's own tool. */
  removeOutside?(id: HsmKeyId): Promise<void>
  /** Whether the device's own tool still shows an object with this id. Used where it is given. */
  existsOutside?(id: HsmKeyId): Promise<boolean>
  /** Plants a second key with the id of `key`, of any kind, by the device's own tool. Needs `removeOutside`. */
  plantDuplicate?(key: HsmKey): Promise<void>
  /** Ends the session or login under the connection. */
  loseSession?(hsm: Hsm): Promise<Repair>
  /** Takes the library, host process or device away. */
  breakConnection?(hsm: Hsm): Promise<Repair>
  /** Makes the device hang in the middle of a call (SIGSTOP). */
  stall?(hsm: Hsm): Promise<Repair>
  wrongPin?(): Promise<WrongPin> | WrongPin

  /** Why something is not tried here. A hook or kind that is missing without a reason fails the suite. */
  readonly skip?: {
    readonly kinds?: Readonly<Partial<Record<KeyKind, string>>>
    readonly hooks?: Readonly<Partial<Record<HookName, string>>>
    /** By the name of a case. */
    readonly cases?: Readonly<Record<string, string>>
  }
  /** How long a connection may take to work again after `Repair`, on a machine that is not overloaded. Default 5000. */
  readonly recoveryMs?: number
  /** How long after an abort or a deadline the answer may come, on such a machine. Default 1000. */
  readonly graceMs?: number
  /** Releases what `setup` made, after the last case. */
  dispose?(): Promise<void>
}

/** The hooks that a case can need. */
export type HookName =
  | 'connectSecond'
  | 'removeOutside'
  | 'plantDuplicate'
  | 'loseSession'
  | 'breakConnection'
  | 'stall'
  | 'wrongPin'
