/**
 * What travels between the service process and the host process that holds the vendor library. Advanced serialization
 * (structured clone), so Buffers travel as bytes. Calls and answers are tuples gathered per tick: at thousands a second
 * the messages, not the bytes, are what costs.
 */
import type { ErrorCode, FieldFault } from '@keyhsm/core'
import type { KeyKind, WrapAlgorithm, WrappingKind } from '@keyhsm/hsm'
import type { AesWrap, Pkcs11Profile } from './profile.js'
import type { CryptokiFailure } from './return-codes.js'
import type { Verb } from './verbs.js'

/** Which token: every given field must match, and exactly one token. The serial number is the surest, the slot the least. */
export interface TokenChoice {
  readonly label?: string
  readonly serial?: string
  readonly slot?: number
}

/** What the first start found out; later starts of the host are given it back instead of probing again. */
export interface Findings {
  readonly kinds: readonly KeyKind[]
  readonly wrapAlgorithms: Readonly<Partial<Record<WrappingKind, WrapAlgorithm>>>
  readonly rsaKeyPairGen: number
  readonly aes: AesWrap | undefined
}

/** Call number, verb, arguments, milliseconds it may take in the host. */
export type CallTuple = readonly [number, Verb, unknown, number]

/** Call number, true and the result, or false and a {@link WireError}. */
export type AnswerTuple = readonly [number, true, unknown] | readonly [number, false, WireError]

/** A DomainError on its way between the processes. */
export interface WireError {
  readonly code: ErrorCode
  readonly detail: string
  readonly hints: readonly string[]
  readonly faults: readonly FieldFault[]
  readonly retryAfterMs: number | undefined
  readonly failure: CryptokiFailure | undefined
  /** The stack of an error nobody expected, for the log. */
  readonly trace: string | undefined
}

/** How this process keeps out of the way of others on the same token. */
export interface Sharing {
  /** Name of the cross-process lock. */
  readonly lockName: string
  /** Where and by which file a change by another process can be seen without a search. */
  readonly stamp: { readonly directory: string; readonly file: string } | undefined
}

export interface StartMessage {
  readonly type: 'start'
  readonly profile: Pkcs11Profile
  readonly library: string
  readonly libraryParameters: string | undefined
  readonly token: TokenChoice
  /** Wiped by the host after the login. */
  readonly pin: Buffer
  readonly workers: number
  readonly findings: Findings | undefined
  readonly sharing: Sharing | undefined
}

export type ServiceMessage =
  | StartMessage
  | { readonly type: 'calls'; readonly calls: readonly CallTuple[] }
  | { readonly type: 'cancel'; readonly call: number }
  | { readonly type: 'ping' }
  | { readonly type: 'close' }

/** What the host found when it came up. */
export interface TokenFacts {
  readonly label: string
  readonly serial: string
  readonly manufacturer: string
  readonly model: string
}

export type HostMessage =
  /** C_Login is about to be called: should the host die now, nobody knows whether the attempt was counted. */
  | { readonly type: 'logging-in' }
  | { readonly type: 'ready'; readonly token: TokenFacts; readonly findings: Findings }
  | { readonly type: 'filled'; readonly keys: number }
  /** Not started. `beforeLogin`: C_Login was not called, so a start may be tried again. */
  | { readonly type: 'failed'; readonly error: WireError; readonly beforeLogin: boolean }
  | { readonly type: 'answers'; readonly answers: readonly AnswerTuple[] }
  | { readonly type: 'pong' }
  | {
      readonly type: 'note'
      readonly level: 'info' | 'warn'
      readonly text: string
      readonly facts: object
    }
  /** The host wants to be killed: a call hangs, the device is lost, a thread died. */
  | { readonly type: 'give-up'; readonly reason: string }
