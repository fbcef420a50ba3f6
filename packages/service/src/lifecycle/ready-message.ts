/** What a daemon tells the command that started it, once, over the channel between the two processes. */
import { DomainError, type ErrorCode, type FieldFault, errorTraits } from '@keyhsm/core'

export type ReadyMessage =
  | { readonly ready: true; readonly text: string }
  | { readonly error: ErrorText }

/** A DomainError without its cause: that stays in the daemon's log. */
export interface ErrorText {
  readonly code: ErrorCode
  readonly detail: string
  readonly faults: readonly FieldFault[]
  readonly hints: readonly string[]
}

/** What of an error goes to the other process. */
export function toErrorText(error: DomainError): ErrorText {
  return { code: error.code, detail: error.message, faults: error.faults, hints: error.hints }
}

/** The error as the other process had it. */
export function fromErrorText(text: ErrorText): DomainError {
  return new DomainError(text.code, text.detail, { faults: text.faults, hints: text.hints })
}

/** @returns undefined for a message that is none of ours. */
export function parseReadyMessage(message: unknown): ReadyMessage | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  const { ready, text, error } = message as { ready?: unknown; text?: unknown; error?: unknown }
  if (ready === true && typeof text === 'string') return { ready, text }
  return isErrorText(error) ? { error } : undefined
}

function isErrorText(value: unknown): value is ErrorText {
  if (typeof value !== 'object' || value === null) return false
  const { code, detail, faults, hints } = value as Partial<Record<keyof ErrorText, unknown>>
  if (typeof code !== 'string' || !Object.hasOwn(errorTraits, code)) return false
  return typeof detail === 'string' && Array.isArray(faults) && Array.isArray(hints)
}

/** Does nothing when nobody waits (started in the foreground). Resolves when the message has left. */
export function sendToParent(message: ReadyMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    else process.send(message, undefined, undefined, () => resolve())
  })
}
