/**
 * The one base class of every error this product throws on purpose, and the closed table of its codes.
 *
 * Nothing here knows HTTP: the status of a code stands in `@keyhsm/protocol` (`problem.ts`). `detail` is written for
 * the caller and never holds a secret, a PIN, a path of the server or SQL; `cause` holds the rest, for the log only.
 */

/** What a code means to whoever called: the process exit status, and whether trying again later can help. */
export interface ErrorTrait {
  /** Exit status of a command that ends with this error (sysexits where one fits). */
  readonly exit: number
  readonly retry: boolean
}

/** The closed table of codes. A new code is added here first; `docs/reference/errors.md` is checked against it. */
export const errorTraits = {
  ERR_INVALID_INPUT: { exit: 2, retry: false },
  ERR_NOT_AUTHENTICATED: { exit: 77, retry: false },
  ERR_NOT_ALLOWED: { exit: 77, retry: false },
  ERR_APPROVAL_NEEDED: { exit: 75, retry: false },
  ERR_NOT_FOUND: { exit: 1, retry: false },
  ERR_NOT_JOINED: { exit: 1, retry: false },
  ERR_ALREADY_EXISTS: { exit: 1, retry: false },
  ERR_DISABLED: { exit: 1, retry: false },
  ERR_CONFLICT: { exit: 1, retry: false },
  ERR_IRRETRIEVABLE: { exit: 1, retry: false },
  ERR_TOO_LARGE: { exit: 2, retry: false },
  ERR_INTEGRITY: { exit: 1, retry: false },
  ERR_QUOTA: { exit: 75, retry: true },
  ERR_BUSY: { exit: 75, retry: true },
  ERR_HSM_REFUSED: { exit: 1, retry: false },
  ERR_HSM_UNAVAILABLE: { exit: 69, retry: true },
  ERR_WRONG_PARTITION: { exit: 69, retry: true },
  ERR_HSM_LOGIN: { exit: 78, retry: false },
  ERR_HSM_FULL: { exit: 69, retry: false },
  ERR_HSM_NOT_SUPPORTED: { exit: 1, retry: false },
  ERR_STORE_UNAVAILABLE: { exit: 69, retry: true },
  ERR_AUDIT_UNAVAILABLE: { exit: 69, retry: true },
  ERR_UNAVAILABLE: { exit: 69, retry: true },
  ERR_SETTINGS: { exit: 78, retry: false },
  ERR_INTERNAL: { exit: 70, retry: false },
} as const satisfies Record<string, ErrorTrait>

export type ErrorCode = keyof typeof errorTraits

/** One field of bad input: where it stands and the rule it breaks. */
export interface FieldFault {
  /** Name or path of the field as the caller wrote it, e.g. `handle`, `keyhsm.server.port`, `--scope`. */
  readonly field: string
  /** The rule in words, e.g. `must be 1 to 128 characters`. Never the offending secret. */
  readonly rule: string
  /** Line in a file, counted from 1, where the input came from a file. */
  readonly line?: number
}

export interface ErrorOptions {
  readonly cause?: unknown
  readonly faults?: readonly FieldFault[]
  readonly retryAfterMs?: number
  /** URLs of servers that can do what this one cannot now. */
  readonly elsewhere?: readonly string[]
  /** What the operator can do next; one imperative sentence a line. */
  readonly hints?: readonly string[]
}

/** An error of this product: a code of the table and a sentence for the caller. */
export class DomainError extends Error {
  readonly code: ErrorCode
  readonly faults: readonly FieldFault[]
  readonly retryAfterMs: number | undefined
  readonly hints: readonly string[]
  readonly elsewhere: readonly string[]

  constructor(code: ErrorCode, detail: string, options: ErrorOptions = {}) {
    super(detail, options.cause === undefined ? {} : { cause: options.cause })
    this.name = code
    this.code = code
    this.faults = options.faults ?? []
    this.retryAfterMs = options.retryAfterMs
    this.hints = options.hints ?? []
    this.elsewhere = options.elsewhere ?? []
  }
}

/** Bad input: names the field and the rule. */
export function invalidInput(field: string, rule: string): DomainError {
  return new DomainError('ERR_INVALID_INPUT', `${field} ${rule}`, { faults: [{ field, rule }] })
}

/** The one sentence for a deposit that cannot be opened, whatever the reason: the audit says which. */
export function irretrievable(cause?: unknown): DomainError {
  return new DomainError('ERR_IRRETRIEVABLE', 'the deposit is irretrievable', { cause })
}

/** True when `error` is a {@link DomainError} with this code. */
export function hasCode(error: unknown, code: ErrorCode): error is DomainError {
  return error instanceof DomainError && error.code === code
}

/**
 * Any thrown value as a DomainError: known ones unchanged, everything else as ERR_INTERNAL with a fixed text
 * (the original becomes the cause, because it may hold what no caller may see).
 */
export function toDomainError(error: unknown): DomainError {
  if (error instanceof DomainError) return error
  return new DomainError('ERR_INTERNAL', 'internal error', { cause: error })
}
