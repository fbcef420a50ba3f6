/** Calls as a registered client whose certificate is renewed when that is due, while the program that makes them runs on. */
import { type Clock, systemClock } from '@keyhsm/core'
import type { ReplyOf, RouteSpec } from '@keyhsm/protocol'
import { RenewedCalls } from '../transport/renewed-calls.js'
import { type Calls, openCalls } from '../transport/servers.js'
import type { CallOptions } from '../transport/transport.js'
import { type LocalClient, readLocalClient } from './client-folder.js'
import { endOf, renewalOf, renewWhenDue } from './renew-when-due.js'

/** After a renewal that failed: the certificate in use is mostly good for months yet. */
const pauseMs = 60_000

export class RenewingCalls implements Calls {
  readonly #folder: string
  readonly #clock: Clock
  readonly #calls: RenewedCalls
  #client: LocalClient
  #renewing: Promise<void> | undefined
  #isOver = false
  /** Unix milliseconds of the next renewal. */
  #due: number

  constructor(folder: string, client: LocalClient, clock: Clock = systemClock) {
    this.#folder = folder
    this.#clock = clock
    this.#client = client
    this.#calls = new RenewedCalls(callsOf(client))
    this.#due = renewalOf(client.certificate).getTime()
  }

  /** As it is shown now. */
  get client(): LocalClient {
    return this.#client
  }

  get peer(): string {
    return this.#calls.peer
  }

  async call<Spec extends RouteSpec>(
    spec: Spec,
    options?: CallOptions<Spec>,
  ): Promise<ReplyOf<Spec>> {
    const now = this.#clock.now()
    if (now.getTime() >= this.#due) {
      this.#renewing ??= this.#renew(now)
      // Until its end the one in use is as good as the next.
      if (now >= endOf(this.#client.certificate)) await this.#renewing
    }
    return await this.#calls.call(spec, options)
  }

  close(): Promise<void> {
    this.#isOver = true
    return this.#calls.close()
  }

  destroy(): Promise<void> {
    this.#isOver = true
    return this.#calls.destroy()
  }

  /** Takes up what another program has renewed in the folder, too. Never throws: the request itself says what is wrong. */
  async #renew(now: Date): Promise<void> {
    try {
      const next = await renewWhenDue(this.#folder, await readLocalClient(this.#folder), now)
      if (next.certificate !== this.#client.certificate && !this.#isOver) {
        this.#calls.use(callsOf(next))
        this.#client = next
      }
    } catch {
      // The certificate in use stays.
    }
    const pause = this.#clock.now().getTime() + pauseMs
    this.#due = Math.max(renewalOf(this.#client.certificate).getTime(), pause)
    this.#renewing = undefined
  }
}

function callsOf({ settings, tls, follower }: LocalClient): Calls {
  return openCalls({ url: settings.server, tls, follower })
}
