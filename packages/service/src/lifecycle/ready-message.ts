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

export function toErrorText(error: DomainError): ErrorText {
  return { code: error.code, detail: error.message, faults: error.faults, hints: error.hints }
}

export function fromErrorText(text: ErrorText): DomainError {
  return new DomainError(text.code, text.detail, { faults: text.faults, hints: text.hints })
}

/** @returns undefined for a message that is none of ours. */
export function parseReadyMessage(message: unknown): ReadyMessage | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  if ('ready' in message && 'text' in message && typeof message.text === 'string') {
    return { ready: true, text: message.text }
  }
  if (!('error' in message) || typeof message.error !== 'object') return undefined
  const error = message.error as Partial<ErrorText> | null
  if (error?.code === undefined || !(error.code in errorTraits)) return undefined
  return { error: { faults: [], hints: [], detail: '', ...error, code: error.code } }
}

/** Does nothing when nobody waits (started in the foreground). Resolves when the message has left. */
export function sendToParent(message: ReadyMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    else process.send(message, undefined, undefined, () => resolve())
  })
}
