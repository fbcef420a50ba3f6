/**
 * Keeps one host process running: starts it, feels its pulse, kills it when it hangs, starts another after a pause, and
 * latches a refused login. While there is no host, calls fail at once: nothing is known about any key then.
 */
import { DomainError, SecretBytes } from '@keyhsm/core'
import type { CallOptions } from '@keyhsm/hsm'
import type { Findings, HostMessage, StartMessage, TokenChoice, TokenFacts } from '../messages.js'
import type { Verb, Verbs } from '../verbs.js'
import type { Pkcs11Log } from '../options.js'
import { fromWireError } from '../wire-error.js'
import type { Environment } from './host-environment.js'
import { HostProcess } from './host-process.js'
import { aborted, PendingCalls } from './pending-calls.js'
import { Pulse } from './pulse.js'
import { RestartPolicy } from './restart-policy.js'

/** What a start needs that does not change. */
export interface HostSetup {
  readonly start: Omit<StartMessage, 'pin' | 'findings' | 'type'>
  readonly environment: Environment
  readonly launcher: readonly string[]
  readonly pin: SecretBytes
  readonly log: Pkcs11Log
  readonly onLoginRefused: (error: DomainError) => void
}

/** What the first start found. */
export interface Connected {
  readonly token: TokenFacts
  readonly findings: Findings
}

type State = 'starting' | 'ready' | 'waiting' | 'latched' | 'closed'

/** Starts that failed before the login may be repeated this often while the first connection is made. */
const firstStarts = 3
const firstPauseMs = 100
/** How long a host may take to end when it is asked to. */
const closeLimitMs = 4000

interface FirstStart {
  readonly resolve: (connected: Connected) => void
  readonly reject: (error: DomainError) => void
}

export class Supervisor {
  readonly #setup: HostSetup
  readonly #calls: PendingCalls
  readonly #policy = new RestartPolicy()
  #state: State = 'starting'
  #host: HostProcess | undefined
  #pulse: Pulse | undefined
  #first: FirstStart | undefined
  #connected: Connected | undefined
  #attempts = 0
  #loginBegun = false
  #readyAt = 0
  #timer: NodeJS.Timeout | undefined
  #why = 'the HSM host process is starting'
  #onGone: (() => void) | undefined
  #pin: SecretBytes

  constructor(setup: HostSetup) {
    this.#setup = setup
    this.#pin = setup.pin
    this.#calls = new PendingCalls((call) => this.#host?.send({ type: 'cancel', call }))
  }

  /** The host's process id while there is one. */
  get hostProcessId(): number | undefined {
    return this.#host?.pid
  }

  get state(): State {
    return this.#state
  }

  get breaker(): 'closed' | 'open' {
    return this.#policy.isOpen(performance.now()) ? 'open' : 'closed'
  }

  /** One line for the operator on why calls fail now, which may name paths; empty when they do not. */
  get trouble(): string {
    return this.#state === 'ready' ? '' : this.#why
  }

  /** Starts the first host; resolves when it has read the token. @throws what the start failed with */
  connect(): Promise<Connected> {
    return new Promise((resolve, reject) => {
      this.#first = { resolve, reject }
      this.#start()
    })
  }

  /** Calls the host. @throws ERR_HSM_UNAVAILABLE without one; ERR_HSM_LOGIN while latched; what the host answers. */
  async call<Name extends Verb>(
    verb: Name,
    args: Verbs[Name]['args'],
    deadlineMs: number,
    options: CallOptions = {},
  ): Promise<Verbs[Name]['result']> {
    if (options.signal?.aborted) throw aborted()
    if (this.#state !== 'ready' || !this.#host) throw this.#refusal()
    const { number, answer } = this.#calls.open(verb, deadlineMs, options)
    this.#host.call([number, verb, args, deadlineMs])
    return (await answer) as Verbs[Name]['result']
  }

  /** The PIN of every start from now on; copied. After a refused login it is tried at once. @returns whether it is new */
  changePin(pin: SecretBytes): boolean {
    const same = pin.expose((next) => this.#pin.expose((now) => Buffer.compare(next, now) === 0))
    if (this.#state === 'closed' || (same && this.#state !== 'latched')) return false
    this.#pin.wipe()
    this.#pin = SecretBytes.own(pin.expose((bytes) => Buffer.from(bytes)))
    if (this.#state === 'latched') this.#start()
    return true
  }

  /** Ends the host and everything that waits. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#why = 'the connection to the HSM is closed'
    this.#stopTimers()
    this.#calls.failAll(this.#refusal())
    this.#pin.wipe()
    const host = this.#host
    if (!host) return
    const gone = new Promise<void>((resolve) => {
      this.#onGone = resolve
    })
    host.send({ type: 'close' })
    const kill = setTimeout(() => host.kill(), closeLimitMs)
    await gone
    clearTimeout(kill)
  }

  #start(): void {
    this.#state = 'starting'
    this.#attempts += 1
    this.#loginBegun = false
    const { start, environment, launcher } = this.#setup
    const copy = this.#pin.expose((bytes) => Buffer.from(bytes))
    const message: StartMessage = {
      type: 'start',
      ...start,
      token: this.#token(),
      pin: copy,
      findings: this.#connected?.findings,
    }
    const host: HostProcess = new HostProcess(
      message,
      { environment, launcher },
      {
        onMessage: (received) => host === this.#host && this.#take(received),
        onExit: (how) => host === this.#host && this.#exited(how),
        onOutput: (line) => {
          if (host === this.#host && this.#state !== 'closed') this.#logOutput(line)
        },
      },
    )
    copy.fill(0)
    this.#host = host
    this.#timer = setTimeout(
      () => this.#kill('it did not start in time'),
      start.profile.limits.startMs * 2,
    )
  }

  /** Once a token was found it must stay that one: another with the same label would make every key look gone. */
  #token(): TokenChoice {
    if (!this.#connected) return this.#setup.start.token
    const { serial, label } = this.#connected.token
    // Both, because some libraries give all their tokens one serial number (observed: NSS).
    return { serial, label }
  }

  #take(message: HostMessage): void {
    this.#pulse?.beat()
    if (message.type === 'answers') for (const answer of message.answers) this.#calls.answer(answer)
    else if (message.type === 'ready') this.#ready(message)
    else if (message.type === 'filled') this.#filled(message.keys)
    else if (message.type === 'failed')
      this.#failed(fromWireError(message.error), message.beforeLogin)
    else if (message.type === 'logging-in') this.#loginBegun = true
    else if (message.type === 'give-up') this.#kill(message.reason)
    else if (message.type === 'note') this.#setup.log[message.level](message.facts, message.text)
  }

  #ready({ token, findings }: Connected): void {
    clearTimeout(this.#timer)
    this.#connected ??= { token, findings }
    this.#state = 'ready'
    this.#readyAt = performance.now()
    const host = this.#host
    this.#pulse = new Pulse(host?.pid, {
      ask: () => host?.send({ type: 'ping' }),
      onLost: () => this.#kill('it does not answer'),
    })
  }

  #filled(keys: number): void {
    this.#setup.log.info({ keys, host: this.#host?.pid }, 'the HSM is ready')
    if (this.#connected) this.#first?.resolve(this.#connected)
    this.#first = undefined
  }

  #failed(error: DomainError, beforeLogin: boolean): void {
    if (error.code === 'ERR_HSM_LOGIN') this.#latch(error)
    else if (this.#first && !this.#mayTryAgain(error, beforeLogin)) this.#giveUpFirst(error)
    else this.#kill(error.message)
  }

  /** Only what the library answered can be a collision with another program; a missing token is missing. */
  #mayTryAgain(error: DomainError, beforeLogin: boolean): boolean {
    const answered = error.code === 'ERR_HSM_UNAVAILABLE' && error.cause !== undefined
    return beforeLogin && answered && this.#attempts < firstStarts
  }

  #latch(error: DomainError): void {
    this.#state = 'latched'
    this.#why = error.message
    this.#tell(error)
    this.#setup.log.error({}, 'the HSM refused the login; it is not tried again')
    this.#calls.failAll(this.#refusal())
    this.#first?.reject(error)
    this.#first = undefined
    this.#dropHost()
  }

  /** Whoever cannot remember the refusal has none tried again by this process all the same. */
  #tell(error: DomainError): void {
    try {
      this.#setup.onLoginRefused(error)
    } catch (cause) {
      const text = 'the refused login could not be remembered: do not start again with this PIN'
      this.#setup.log.error({ error: cause }, text)
    }
  }

  #giveUpFirst(error: DomainError): void {
    this.#first?.reject(error)
    this.#first = undefined
    this.#state = 'closed'
    this.#pin.wipe()
    this.#dropHost()
  }

  #dropHost(): void {
    this.#stopTimers()
    this.#host?.kill()
    this.#host = undefined
  }

  #kill(reason: string): void {
    this.#why = `the HSM host process was ended: ${reason}`
    this.#setup.log.warn({ reason, host: this.#host?.pid }, 'ending the HSM host process')
    this.#host?.kill()
  }

  #exited(how: string): void {
    this.#host = undefined
    this.#stopTimers()
    if (this.#state === 'closed') {
      this.#onGone?.()
      return
    }
    // A PIN that was never accepted is not sent again when nobody knows what became of the first login.
    if (this.#first && (this.#loginBegun || this.#attempts >= firstStarts)) {
      const detail = `the HSM host process does not start: ${how}`
      this.#giveUpFirst(new DomainError('ERR_HSM_UNAVAILABLE', detail))
      return
    }
    const wasReady = this.#state === 'ready'
    const now = performance.now()
    const pauseMs = this.#first
      ? firstPauseMs
      : this.#policy.pauseAfter(now, wasReady ? now - this.#readyAt : 0)
    this.#state = 'waiting'
    if (wasReady) this.#why = 'the HSM host process ended'
    this.#calls.failAll(this.#refusal())
    this.#setup.log.warn({ how, pauseMs }, 'the HSM host process ended; another is started')
    this.#timer = setTimeout(() => this.#start(), pauseMs)
  }

  #stopTimers(): void {
    clearTimeout(this.#timer)
    this.#pulse?.stop()
    this.#pulse = undefined
  }

  #refusal(): DomainError {
    if (this.#state === 'latched') {
      const hints = ['set the right PIN']
      return new DomainError('ERR_HSM_LOGIN', 'the HSM refused the login', { hints })
    }
    const cause = new Error(this.#why)
    const detail = 'the HSM cannot be asked now'
    return new DomainError('ERR_HSM_UNAVAILABLE', detail, { retryAfterMs: 1000, cause })
  }

  #logOutput(line: string): void {
    const pin = this.#pin.expose((bytes) => bytes.toString('utf8'))
    const safe = pin === '' ? line : line.replaceAll(pin, '[secret]')
    this.#setup.log.debug({ line: safe.slice(0, 500) }, 'the HSM library printed')
  }
}
