/** How long a handler may take, and how it learns that its answer is not wanted any more. */
import type { ServerResponse } from 'node:http'
import { DomainError } from '@keyhsm/core'

/** Gives the signal of one request. It is made when it is first asked for: a signal costs more than many a handler. */
export type SignalSource = () => AbortSignal

/**
 * Runs `work` until it is done or `deadlineMs` have passed. Its signal is aborted then, and also when the caller goes away.
 * @throws ERR_BUSY at the deadline, whether or not `work` obeys the signal; what it does later is dropped.
 */
export function withinDeadline<Result>(
  deadlineMs: number,
  response: ServerResponse,
  work: (signal: SignalSource) => Promise<Result>,
): Promise<Result> {
  const unwanted = new Unwanted(response)
  return new Promise<Result>((resolve, reject) => {
    const timer = setTimeout(() => {
      const late = new DomainError('ERR_BUSY', 'the request took too long', { retryAfterMs: 1_000 })
      unwanted.because(late)
      reject(late)
    }, deadlineMs)
    const end = () => {
      clearTimeout(timer)
      unwanted.end()
    }
    const fail = (error: unknown) => {
      end()
      reject(error)
    }
    try {
      work(() => unwanted.signal()).then((result) => {
        end()
        resolve(result)
      }, fail)
    } catch (error) {
      fail(error)
    }
  })
}

class Unwanted {
  readonly #response: ServerResponse
  #controller: AbortController | undefined
  #reason: DomainError | undefined

  constructor(response: ServerResponse) {
    this.#response = response
  }

  signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      this.#response.once('close', this.#gone)
      if (this.#response.destroyed) this.#gone()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  because(reason: DomainError): void {
    this.#reason ??= reason
    this.#controller?.abort(reason)
  }

  end(): void {
    if (this.#controller !== undefined) this.#response.off('close', this.#gone)
  }

  readonly #gone = (): void => {
    if (!this.#response.writableFinished)
      this.because(new DomainError('ERR_UNAVAILABLE', 'the caller went away'))
  }
}
