/**
 * The one place where an answer of a PKCS#11 library becomes an error of ours: by number, never by text, with the
 * exceptions of each profile.
 */
import { DomainError, type ErrorCode } from '@keyhsm/core'

/** What a return code means for us; the table {@link failureTraits} says what follows from it. */
export type FailureClass =
  | 'busy'
  | 'session-lost'
  | 'device-lost'
  | 'login-lost'
  | 'key-missing'
  | 'key-disabled'
  | 'bad-ciphertext'
  | 'full'
  | 'id-taken'
  | 'login-refused'
  | 'not-supported'
  | 'attribute-absent'
  | 'buffer-too-small'
  | 'refused'

/** A failed call of the library, decoded. Holds no argument of the call. */
export interface CryptokiFailure {
  readonly code: number
  /** `CKR_…`, or the number where the standard has no name for it. */
  readonly name: string
  /** `C_Decrypt`, … as our code called it. */
  readonly call: string
}

/** A profile's own meaning of a number; `calls` limits it to those calls. */
export interface ReturnCodeOverride {
  readonly code: number
  readonly calls?: readonly string[]
  readonly means: FailureClass
  /** Where this is known from. */
  readonly source: string
  /** What an operator can do about it. */
  readonly hint?: string
}

interface ReturnCode {
  readonly code: number
  readonly name: string
  readonly means: FailureClass
}

/** @see PKCS#11 v2.40 Base §5.1 for the numbers and their meaning */
const returnCodes: readonly ReturnCode[] = [
  { code: 0x02, name: 'CKR_HOST_MEMORY', means: 'device-lost' },
  { code: 0x03, name: 'CKR_SLOT_ID_INVALID', means: 'device-lost' },
  { code: 0x05, name: 'CKR_GENERAL_ERROR', means: 'device-lost' },
  { code: 0x06, name: 'CKR_FUNCTION_FAILED', means: 'device-lost' },
  { code: 0x07, name: 'CKR_ARGUMENTS_BAD', means: 'refused' },
  { code: 0x12, name: 'CKR_ATTRIBUTE_TYPE_INVALID', means: 'attribute-absent' },
  { code: 0x11, name: 'CKR_ATTRIBUTE_SENSITIVE', means: 'refused' },
  { code: 0x10, name: 'CKR_ATTRIBUTE_READ_ONLY', means: 'refused' },
  { code: 0x13, name: 'CKR_ATTRIBUTE_VALUE_INVALID', means: 'not-supported' },
  { code: 0x1b, name: 'CKR_ACTION_PROHIBITED', means: 'refused' },
  { code: 0x20, name: 'CKR_DATA_INVALID', means: 'bad-ciphertext' },
  { code: 0x21, name: 'CKR_DATA_LEN_RANGE', means: 'bad-ciphertext' },
  { code: 0x30, name: 'CKR_DEVICE_ERROR', means: 'device-lost' },
  { code: 0x31, name: 'CKR_DEVICE_MEMORY', means: 'full' },
  { code: 0x32, name: 'CKR_DEVICE_REMOVED', means: 'device-lost' },
  { code: 0x40, name: 'CKR_ENCRYPTED_DATA_INVALID', means: 'bad-ciphertext' },
  { code: 0x41, name: 'CKR_ENCRYPTED_DATA_LEN_RANGE', means: 'bad-ciphertext' },
  { code: 0x54, name: 'CKR_FUNCTION_NOT_SUPPORTED', means: 'not-supported' },
  { code: 0x60, name: 'CKR_KEY_HANDLE_INVALID', means: 'key-missing' },
  { code: 0x62, name: 'CKR_KEY_SIZE_RANGE', means: 'not-supported' },
  { code: 0x63, name: 'CKR_KEY_TYPE_INCONSISTENT', means: 'refused' },
  { code: 0x68, name: 'CKR_KEY_FUNCTION_NOT_PERMITTED', means: 'key-disabled' },
  { code: 0x69, name: 'CKR_KEY_NOT_WRAPPABLE', means: 'refused' },
  { code: 0x6a, name: 'CKR_KEY_UNEXTRACTABLE', means: 'refused' },
  { code: 0x70, name: 'CKR_MECHANISM_INVALID', means: 'not-supported' },
  { code: 0x71, name: 'CKR_MECHANISM_PARAM_INVALID', means: 'not-supported' },
  { code: 0x82, name: 'CKR_OBJECT_HANDLE_INVALID', means: 'key-missing' },
  { code: 0x90, name: 'CKR_OPERATION_ACTIVE', means: 'session-lost' },
  { code: 0x91, name: 'CKR_OPERATION_NOT_INITIALIZED', means: 'session-lost' },
  { code: 0xa0, name: 'CKR_PIN_INCORRECT', means: 'login-refused' },
  { code: 0xa1, name: 'CKR_PIN_INVALID', means: 'login-refused' },
  { code: 0xa2, name: 'CKR_PIN_LEN_RANGE', means: 'login-refused' },
  { code: 0xa3, name: 'CKR_PIN_EXPIRED', means: 'login-refused' },
  { code: 0xa4, name: 'CKR_PIN_LOCKED', means: 'login-refused' },
  { code: 0xb0, name: 'CKR_SESSION_CLOSED', means: 'session-lost' },
  { code: 0xb1, name: 'CKR_SESSION_COUNT', means: 'device-lost' },
  { code: 0xb3, name: 'CKR_SESSION_HANDLE_INVALID', means: 'session-lost' },
  { code: 0xb5, name: 'CKR_SESSION_READ_ONLY', means: 'refused' },
  { code: 0xd0, name: 'CKR_TEMPLATE_INCOMPLETE', means: 'not-supported' },
  { code: 0xd1, name: 'CKR_TEMPLATE_INCONSISTENT', means: 'not-supported' },
  { code: 0xe0, name: 'CKR_TOKEN_NOT_PRESENT', means: 'device-lost' },
  { code: 0xe1, name: 'CKR_TOKEN_NOT_RECOGNIZED', means: 'device-lost' },
  { code: 0xe2, name: 'CKR_TOKEN_WRITE_PROTECTED', means: 'refused' },
  { code: 0xf0, name: 'CKR_UNWRAPPING_KEY_HANDLE_INVALID', means: 'key-missing' },
  { code: 0x101, name: 'CKR_USER_NOT_LOGGED_IN', means: 'login-lost' },
  { code: 0x102, name: 'CKR_USER_PIN_NOT_INITIALIZED', means: 'login-refused' },
  { code: 0x103, name: 'CKR_USER_TYPE_INVALID', means: 'login-refused' },
  { code: 0x110, name: 'CKR_WRAPPED_KEY_INVALID', means: 'bad-ciphertext' },
  { code: 0x112, name: 'CKR_WRAPPED_KEY_LEN_RANGE', means: 'bad-ciphertext' },
  { code: 0x113, name: 'CKR_WRAPPING_KEY_HANDLE_INVALID', means: 'key-missing' },
  { code: 0x150, name: 'CKR_BUFFER_TOO_SMALL', means: 'buffer-too-small' },
  { code: 0x190, name: 'CKR_CRYPTOKI_NOT_INITIALIZED', means: 'login-lost' },
  { code: 0x201, name: 'CKR_TOKEN_RESOURCE_EXCEEDED', means: 'full' },
]

/** CKR_CRYPTOKI_ALREADY_INITIALIZED and CKR_USER_ALREADY_LOGGED_IN are successes for us. */
export const alreadyInitialised = 0x191
export const alreadyLoggedIn = 0x100

/** CKR_USER_NOT_LOGGED_IN, which we also conclude from a session's state. */
export const userNotLoggedIn = 0x101

const byCode = new Map(returnCodes.map((row) => [row.code, row]))

/**
 * Reads a thrown value of the binding: `code` where it is set, else `NAME:number` in the message (C_CreateObject and
 * its kin throw a plain Error; observed: pkcs11js 2.1.7). Undefined when it is no answer of the library.
 */
export function decodeFailure(thrown: unknown, call: string): CryptokiFailure | undefined {
  if (!(thrown instanceof Error)) return undefined
  const code = numericCode(thrown)
  if (code === undefined) return undefined
  const name = byCode.get(code)?.name ?? `0x${code.toString(16)}`
  return { code, name, call }
}

function numericCode(thrown: Error): number | undefined {
  const code: unknown = 'code' in thrown ? thrown.code : undefined
  if (typeof code === 'number' && code > 0) return code
  const match = /CKR_\w+:(\d+)/.exec(thrown.message)
  return match?.[1] === undefined ? undefined : Number(match[1])
}

/** The class of a failure, the profile's own meanings first. A number nobody knows is a refusal. */
export function classifyFailure(
  failure: CryptokiFailure,
  overrides: readonly ReturnCodeOverride[],
): FailureClass {
  const own = findOverride(failure, overrides)
  return own?.means ?? byCode.get(failure.code)?.means ?? 'refused'
}

function findOverride(
  { code, call }: CryptokiFailure,
  overrides: readonly ReturnCodeOverride[],
): ReturnCodeOverride | undefined {
  return overrides.find((row) => row.code === code && (row.calls?.includes(call) ?? true))
}

interface FailureTrait {
  readonly error: ErrorCode
  readonly detail: string
  /** The same call may be sent again after a pause. */
  readonly repeat: boolean
  /** The session is not used again. */
  readonly spoilsSession: boolean
  /** How much it counts towards giving up this host process; see {@link maxFaults}. */
  readonly fault: number
}

/** Faults in a row, without a job that went well, after which the host process is given up. */
export const maxFaults = 3

const quiet = { repeat: false, spoilsSession: false, fault: 0 }
const unavailable = 'the HSM cannot be asked now'

/** What follows from each class. */
export const failureTraits = {
  busy: { ...quiet, error: 'ERR_HSM_UNAVAILABLE', detail: 'the HSM is busy', repeat: true },
  'session-lost': {
    ...quiet,
    error: 'ERR_HSM_UNAVAILABLE',
    detail: unavailable,
    spoilsSession: true,
  },
  'device-lost': {
    error: 'ERR_HSM_UNAVAILABLE',
    detail: unavailable,
    repeat: false,
    spoilsSession: true,
    fault: 1,
  },
  'login-lost': {
    error: 'ERR_HSM_UNAVAILABLE',
    detail: unavailable,
    repeat: false,
    spoilsSession: true,
    // Every handle is dead and no session can log in again beside the others: only a fresh process helps.
    fault: maxFaults,
  },
  // Not ERR_NOT_FOUND: one answer proves nothing; only the key directory concludes that, after two looks.
  'key-missing': { ...quiet, error: 'ERR_HSM_UNAVAILABLE', detail: unavailable },
  'key-disabled': { ...quiet, error: 'ERR_HSM_REFUSED', detail: 'the HSM key may not do that' },
  'bad-ciphertext': {
    ...quiet,
    error: 'ERR_INTEGRITY',
    detail: 'the wrapped key does not belong to this HSM key',
  },
  'id-taken': {
    ...quiet,
    error: 'ERR_HSM_REFUSED',
    detail: 'the HSM refused the id or another attribute of the new key',
  },
  full: { ...quiet, error: 'ERR_HSM_FULL', detail: 'the HSM has no room for another key' },
  'login-refused': { ...quiet, error: 'ERR_HSM_LOGIN', detail: 'the HSM refused the login' },
  'not-supported': {
    ...quiet,
    error: 'ERR_HSM_NOT_SUPPORTED',
    detail: 'the HSM does not support that',
  },
  'attribute-absent': { ...quiet, error: 'ERR_HSM_REFUSED', detail: 'the HSM lacks an attribute' },
  'buffer-too-small': {
    ...quiet,
    error: 'ERR_HSM_REFUSED',
    detail: 'the HSM answered more than was expected',
    spoilsSession: true,
  },
  refused: { ...quiet, error: 'ERR_HSM_REFUSED', detail: 'the HSM refused', spoilsSession: true },
} as const satisfies Record<FailureClass, FailureTrait>

/** The vendor's answer as the cause of a DomainError: number, name and call, nothing of the arguments. */
export class CryptokiError extends Error {
  readonly failure: CryptokiFailure

  constructor(failure: CryptokiFailure) {
    super(`${failure.call}: ${failure.name}`)
    this.name = 'CryptokiError'
    this.failure = failure
  }
}

/** Our error for a failure that means `means`, with what the profile knows an operator can do. */
export function failureToError(
  failure: CryptokiFailure,
  means: FailureClass,
  overrides: readonly ReturnCodeOverride[],
): DomainError {
  const trait = failureTraits[means]
  const cause = new CryptokiError(failure)
  const retry = trait.error === 'ERR_HSM_UNAVAILABLE' ? { retryAfterMs: 1000 } : {}
  const hint = findOverride(failure, overrides)?.hint
  const hints = hint === undefined ? {} : { hints: [hint] }
  return new DomainError(trait.error, trait.detail, { cause, ...retry, ...hints })
}
