/**
 * The host process once its library is up: takes calls, gives each a deadline, runs its verb, gathers answers per tick,
 * and watches its own jobs. It never decides to go on after a hung call or a lost device: it asks to be killed, because a
 * fresh process is the only state of a vendor library that is known.
 */
import { DomainError } from '@keyhsm/core'
import type {
  AnswerTuple,
  CallTuple,
  Findings,
  HostMessage,
  StartMessage,
  WireError,
} from '../messages.js'
import { maxFaults } from '../return-codes.js'
import { toWireError } from '../wire-error.js'
import { wipeBytes } from './exact-bytes.js'
import type { CallControl } from './job-queue.js'
import { KeyDirectory } from './key-directory.js'
import { KnownStamp } from './known-stamp.js'
import { JobError, Scheduler } from './scheduler.js'
import type { StartedLibrary } from './start-library.js'
import type { TokenLock } from './token-lock.js'
import type { RunVerb, VerbContext } from './verbs/verb-context.js'
import { verbTable } from './verbs/verb-table.js'
import type { WorkerPool } from './worker-pool.js'

/** How often running jobs are compared with their limits, milliseconds. */
const watchMs = 250

export interface HostParts {
  readonly start: StartMessage
  readonly library: StartedLibrary
  /** Not opened yet. */
  readonly pool: WorkerPool
  /** Held by this process when it is handed over: opening sessions must not meet another process's write either. */
  readonly lock: TokenLock | undefined
  readonly send: (message: HostMessage) => void
}

interface OpenCall {
  readonly control: CallControl
  readonly timer: NodeJS.Timeout
}

export class Host {
  readonly #parts: HostParts
  readonly #context: VerbContext
  readonly #open = new Map<number, OpenCall>()
  readonly #watch: NodeJS.Timeout
  #answers: AnswerTuple[] = []
  #closing = false

  private constructor(parts: HostParts, context: VerbContext) {
    this.#parts = parts
    this.#context = context
    this.#watch = setInterval(() => this.#lookForHung(), watchMs)
  }

  /** Opens the workers' sessions, finds out what the token can do unless the start says it, and reads the key directory. */
  static async start(parts: HostParts): Promise<Host> {
    const { start, library, pool, lock, send } = parts
    const { profile, sharing } = start
    const stamp = new KnownStamp()
    const scheduler = new Scheduler({ pool, profile, lock, stamp })
    const { slot } = library
    const setup = { library: start.library, slot, profile, stamp: sharing?.stamp }
    await pool.open(setup, (worker, ends) => scheduler.end(worker, ends))
    // From here on the scheduler takes it when a job needs it.
    lock?.release()
    const findings = start.findings ?? (await probeToken(scheduler))
    const directory = new KeyDirectory(scheduler, profile, stamp)
    const host = new Host(parts, { scheduler, directory, profile, findings })
    send({ type: 'ready', token: library.token, findings })
    void host.#fill()
    return host
  }

  /** Begins a call; its answer is sent once, by the deadline at the latest. */
  take([number, verb, args, deadlineMs]: CallTuple): void {
    const trait = verbTable[verb]
    const control: CallControl = { urgency: trait.urgency, dropped: false, begun: false }
    const timer = setTimeout(() => this.#expire(number), deadlineMs)
    this.#open.set(number, { control, timer })
    const run = trait.run as RunVerb<typeof verb>
    void run(this.#context, args as never, control).then(
      (result) => this.#answer(number, [number, true, result]),
      (error: unknown) => this.#answer(number, [number, false, toAnswer(error)]),
    )
  }

  /** The caller no longer waits: what has not begun is dropped, what runs is finished and its result wiped. */
  cancel(number: number): void {
    const open = this.#open.get(number)
    if (!open) return
    open.control.dropped = true
    clearTimeout(open.timer)
    this.#open.delete(number)
  }

  /** Stops taking jobs from the queue and waits, at most `limitMs`, until none runs. */
  async close(limitMs: number): Promise<void> {
    this.#closing = true
    clearInterval(this.#watch)
    this.#context.scheduler.close()
    const endsAt = performance.now() + limitMs
    while (!this.#context.scheduler.idle && performance.now() < endsAt) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async #fill(): Promise<void> {
    const control: CallControl = { urgency: 'wrap', dropped: false, begun: true }
    try {
      const { keys, broken } = await this.#context.directory.readToken(control)
      this.#parts.send({ type: 'filled', keys })
      if (broken === 0) return
      const text = 'some ids on the token have half a key pair or several keys'
      this.#parts.send({ type: 'note', level: 'warn', text, facts: { ids: broken } })
    } catch (error) {
      if (this.#closing) return
      const reason = `the token cannot be read: ${toAnswer(error).detail}`
      this.#parts.send({ type: 'give-up', reason })
    }
  }

  #answer(number: number, answer: AnswerTuple): void {
    const open = this.#open.get(number)
    if (!open) {
      wipeBytes(answer[2])
      return
    }
    clearTimeout(open.timer)
    this.#open.delete(number)
    this.#post(answer)
    if (this.#context.scheduler.consecutiveFaults < maxFaults) return
    const reason = 'the device answers with errors, or the login is lost'
    this.#parts.send({ type: 'give-up', reason })
  }

  #expire(number: number): void {
    const open = this.#open.get(number)
    if (!open) return
    const { begun } = open.control
    this.cancel(number)
    const error = begun
      ? new DomainError('ERR_HSM_UNAVAILABLE', 'the HSM did not answer in time')
      : new DomainError('ERR_BUSY', 'the HSM is busy', { retryAfterMs: 1000 })
    this.#post([number, false, toWireError(error)])
  }

  #post(answer: AnswerTuple): void {
    this.#answers.push(answer)
    if (this.#answers.length === 1) setImmediate(() => this.#flush())
  }

  #flush(): void {
    const answers = this.#answers
    this.#answers = []
    this.#parts.send({ type: 'answers', answers })
    wipeBytes(answers.map((answer) => answer[2]))
  }

  #lookForHung(): void {
    const hung = this.#context.scheduler.findHung(performance.now())
    if (!hung) return
    this.#parts.send({ type: 'give-up', reason: `${hung} hangs in the library` })
  }
}

function probeToken(scheduler: Scheduler): Promise<Findings> {
  const control: CallControl = { urgency: 'wrap', dropped: false, begun: true }
  return scheduler.submit('probeToken', undefined, control)
}

function toAnswer(error: unknown): WireError {
  return toWireError(error instanceof JobError ? error.error : error)
}
