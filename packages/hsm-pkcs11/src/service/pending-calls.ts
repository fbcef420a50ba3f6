/** The calls that wait for an answer of the host: numbered, bounded, each settled exactly once. */
import { DomainError } from '@keyhsm/core'
import type { CallOptions } from '@keyhsm/hsm'
import { wipeBytes } from '../host/exact-bytes.js'
import type { AnswerTuple } from '../messages.js'
import type { Verb } from '../verbs.js'
import { fromWireError } from '../wire-error.js'

/** Most calls of a verb that may wait; all others together have {@link maxCalls}. */
const maxOfVerb: Readonly<Partial<Record<Verb, number>>> = {
  create: 256,
  destroy: 256,
  list: 8,
  recheck: 8,
}
const maxCalls = 1024
/** The host answers by the deadline itself; this much later it is taken for dead. */
const graceMs = 250

interface PendingCall {
  readonly verb: Verb
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
  /** Stops the deadline and the signal's listener. */
  readonly release: () => void
}

export interface NewCall {
  readonly number: number
  readonly answer: Promise<unknown>
}

/** Calls by number. */
export class PendingCalls {
  readonly #calls = new Map<number, PendingCall>()
  readonly #perVerb = new Map<Verb, number>()
  readonly #onCancel: (number: number) => void
  #next = 1

  /** `onCancel` is called for a call whose caller gave up. */
  constructor(onCancel: (number: number) => void) {
    this.#onCancel = onCancel
  }

  /** Opens a call. @throws ERR_BUSY when too many wait. */
  open(verb: Verb, deadlineMs: number, { signal }: CallOptions): NewCall {
    const sameVerb = this.#perVerb.get(verb) ?? 0
    if (this.#calls.size >= maxCalls || sameVerb >= (maxOfVerb[verb] ?? maxCalls)) {
      throw new DomainError('ERR_BUSY', 'too many calls wait for the HSM', { retryAfterMs: 1000 })
    }
    this.#perVerb.set(verb, sameVerb + 1)
    const number = this.#next++
    const timer = setTimeout(() => this.#giveUp(number, late()), deadlineMs + graceMs)
    const abort = signal && (() => this.#giveUp(number, aborted()))
    if (abort) signal.addEventListener('abort', abort, { once: true })
    const release = () => {
      clearTimeout(timer)
      if (abort) signal.removeEventListener('abort', abort)
    }
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#calls.set(number, { verb, resolve, reject, release })
    })
    return { number, answer }
  }

  /** Settles a call with the host's answer; the result of a call nobody waits for is wiped. */
  answer([number, ok, value]: AnswerTuple): void {
    const settled = this.#settle(number, (call) => {
      if (ok) call.resolve(value)
      else call.reject(fromWireError(value))
    })
    if (!settled) wipeBytes(value)
  }

  /** Fails every call. */
  failAll(error: DomainError): void {
    for (const number of this.#calls.keys()) this.#settle(number, (call) => call.reject(error))
  }

  #giveUp(number: number, error: DomainError): void {
    if (this.#settle(number, (call) => call.reject(error))) this.#onCancel(number)
  }

  #settle(number: number, how: (call: PendingCall) => void): boolean {
    const call = this.#calls.get(number)
    if (!call) return false
    this.#calls.delete(number)
    this.#perVerb.set(call.verb, (this.#perVerb.get(call.verb) ?? 1) - 1)
    call.release()
    how(call)
    return true
  }
}

/** The caller aborted. */
export function aborted(): DomainError {
  return new DomainError('ERR_HSM_UNAVAILABLE', 'the call was aborted')
}

function late(): DomainError {
  const detail = 'the HSM did not answer in time'
  return new DomainError('ERR_HSM_UNAVAILABLE', detail, { retryAfterMs: 1000 })
}
