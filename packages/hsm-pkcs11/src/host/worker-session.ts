/** One worker's session: runs a job, classifies what fails, and replaces the session after an unexpected error. */
import { DomainError } from '@keyhsm/core'
import { CKF, loggedInStates } from '../constants.js'
import type { Cryptoki, CryptokiHandle } from '../cryptoki.js'
import type { Pkcs11Profile } from '../profile.js'
import {
  CryptokiError,
  classifyFailure,
  type FailureClass,
  failureToError,
  failureTraits,
} from '../return-codes.js'
import { toWireError } from '../wire-error.js'
import { ask } from './ask.js'
import { jobTable, stamped } from './jobs/job-table.js'
import type { JobSession } from './jobs/job-session.js'
import { TokenStamp } from './token-stamp.js'
import type { JobFailure, JobMessage, Stamps, WorkerSetup } from './worker-messages.js'

export type JobOutcome = { readonly stamps: Stamps | undefined } & (
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly failure: JobFailure }
)

/** The session of one worker thread. */
export class WorkerSession {
  readonly #cryptoki: Cryptoki
  readonly #slot: CryptokiHandle
  readonly #profile: Pkcs11Profile
  readonly #stamp: TokenStamp
  #session: CryptokiHandle

  /** Opens the session. @throws CryptokiError */
  constructor(cryptoki: Cryptoki, { slot, profile, stamp }: WorkerSetup) {
    this.#cryptoki = cryptoki
    this.#slot = slot
    this.#profile = profile
    this.#stamp = new TokenStamp(stamp)
    this.#session = this.#open()
  }

  /** Runs one job; a lost session is replaced and a repeatable job run once more. */
  run(message: JobMessage): JobOutcome {
    const { name } = message
    if (!stamped(name)) return this.#runTwice(message, true)
    const before = this.#stamp.read()
    const changedOutside = before === undefined || before !== message.knownStamp
    const outcome = this.#runTwice(message, changedOutside)
    return { ...outcome, stamps: { before, after: this.#stamp.read() } }
  }

  #runTwice(message: JobMessage, changedOutside: boolean): JobOutcome {
    const first = this.#try(message, changedOutside)
    if (first.ok || first.failure.means !== 'session-lost') return first
    return jobTable[message.name].repeatable ? this.#try(message, changedOutside) : first
  }

  #try({ name, args }: JobMessage, changedOutside: boolean): JobOutcome {
    const run = jobTable[name].run as (session: JobSession, args: unknown) => unknown
    try {
      return { ok: true, result: run(this.#lend(changedOutside), args), stamps: undefined }
    } catch (error) {
      return { ok: false, failure: this.#explain(error), stamps: undefined }
    }
  }

  #lend(changedOutside: boolean): JobSession {
    return {
      cryptoki: this.#cryptoki,
      slot: this.#slot,
      session: this.#session,
      profile: this.#profile,
      changedOutside,
    }
  }

  #explain(error: unknown): JobFailure {
    if (!(error instanceof CryptokiError)) return { error: toWireError(error), means: undefined }
    const means = this.#meaning(error)
    if (failureTraits[means].spoilsSession) this.#replace()
    const { returnCodes } = this.#profile
    return { error: toWireError(failureToError(error.failure, means, returnCodes)), means }
  }

  /** Handles of private keys become invalid when the login is lost: that is not a missing key. */
  #meaning(error: CryptokiError): FailureClass {
    const means = classifyFailure(error.failure, this.#profile.returnCodes)
    return means === 'key-missing' && !this.#loggedIn() ? 'login-lost' : means
  }

  #loggedIn(): boolean {
    try {
      const { state } = ask(this.#cryptoki, 'C_GetSessionInfo', this.#session)
      return loggedInStates.includes(state)
    } catch {
      return false
    }
  }

  #open(): CryptokiHandle {
    return ask(this.#cryptoki, 'C_OpenSession', this.#slot, CKF.serialSession | CKF.rwSession)
  }

  #replace(): void {
    try {
      ask(this.#cryptoki, 'C_CloseSession', this.#session)
    } catch {
      // A session that cannot be closed is lost already.
    }
    try {
      this.#session = this.#open()
    } catch {
      // The next job fails with an invalid session handle, which comes here again or ends in giving up.
    }
  }
}

/** The failure of a worker that could not open its session. */
export function startFailure(error: unknown, profile: Pkcs11Profile): JobFailure {
  if (!(error instanceof CryptokiError)) {
    const wrapped = error instanceof DomainError ? error : toStartError(error)
    return { error: toWireError(wrapped), means: undefined }
  }
  const means = classifyFailure(error.failure, profile.returnCodes)
  return { error: toWireError(failureToError(error.failure, means, profile.returnCodes)), means }
}

function toStartError(cause: unknown): DomainError {
  return new DomainError('ERR_HSM_UNAVAILABLE', 'a session thread did not start', { cause })
}
