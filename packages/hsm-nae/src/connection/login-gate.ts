/** Logins, one after the other, and none after a refusal: several wrong ones at once would lock the user. */
import { type DomainError, SecretBytes } from '@keyhsm/core'
import { loginRefused, NaeRefusal, refusalToError } from '../failure.js'
import type { LinkOptions } from '../options.js'
import type { NaeLink } from './nae-link.js'
import { logIn } from './open-link.js'

/** Refusals of a login that say nothing about the password. */
const passing: ReadonlySet<string> = new Set(['busy', 'bad-request', 'not-supported'])

export class LoginGate {
  readonly #options: LinkOptions
  #password: SecretBytes
  readonly #onRefused: (error: DomainError) => void
  #refused: DomainError | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(
    options: LinkOptions,
    password: SecretBytes,
    onRefused: (error: DomainError) => void,
  ) {
    this.#options = options
    this.#password = password
    this.#onRefused = onRefused
  }

  /** Another password from now on; copied. Ends the latch. @returns whether it is new */
  changePassword(password: SecretBytes): boolean {
    const same = password.expose((next) =>
      this.#password.expose((now) => Buffer.compare(next, now) === 0),
    )
    if (same && this.#refused === undefined) return false
    this.#password.wipe()
    this.#password = SecretBytes.own(password.expose((bytes) => Buffer.from(bytes)))
    this.#refused = undefined
    return true
  }

  /** Forgets the password. */
  wipe(): void {
    this.#password.wipe()
  }

  /** The latched refusal. */
  get refused(): DomainError | undefined {
    return this.#refused
  }

  /**
   * Logs in on `link` when it is its turn.
   * @throws ERR_HSM_LOGIN from the first refusal on, without asking again; LinkError; other refusals as errors of ours.
   */
  async enter(link: NaeLink): Promise<void> {
    const turn = this.#last.then(() => this.#tryOnce(link))
    this.#last = turn.catch(() => undefined)
    await turn
  }

  async #tryOnce(link: NaeLink): Promise<void> {
    if (this.#refused) throw this.#refused
    try {
      await logIn(link, this.#options, this.#password)
    } catch (error) {
      if (!(error instanceof NaeRefusal)) throw error
      // A text nobody knows is taken for a refusal: stopping too early costs a restart, repeating may lock the user.
      if (passing.has(error.means)) throw refusalToError(error)
      this.#refused = loginRefused(error)
      this.#onRefused(this.#refused)
      throw this.#refused
    }
  }
}
