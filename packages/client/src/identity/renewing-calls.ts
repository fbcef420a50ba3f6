/** Calls as a registered client whose certificate is renewed when that is due, while the program that makes them runs on. */
import { type Clock, systemClock } from '@keyhsm/core'
import type { ReplyOf, RouteSpec } from '@keyhsm/protocol'
import { RenewedCalls } from '../transport/renewed-calls.js'
import { type Calls, openCalls } from '../transport/servers.js'
import type { CallOptions } from '../transport/transport.js'
import { type LocalClient, readLocalClient } from './client-folder.js'
import { renewalOf, renewWhenDue } from './renew-when-due.js'

/** After a renewal that failed: the certificate in use is mostly good for months yet. */
const pauseMs = 60_000

export class RenewingCalls implements Calls {
  readonly #folder: string
  readonly #clock: Clock
  readonly #calls: RenewedCalls
  #client: LocalClient
  #renewing: Promise<void> | undefined
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
    if (now.getTime() >= this.#due) await (this.#renewing ??= this.#renew(now))
    return await this.#calls.call(spec, options)
  }

  close(): Promise<void> {
    return this.#calls.close()
  }

  destroy(): Promise<void> {
    return this.#calls.destroy()
  }

  /** Takes up what another program has renewed in the folder, too. Never throws: the request itself says what is wrong. */
  async #renew(now: Date): Promise<void> {
    const before = this.#client
    const next = await readLocalClient(this.#folder)
      .then((client) => renewWhenDue(this.#folder, client, now))
      .catch(() => before)
    if (next.certificate !== before.certificate) {
      this.#client = next
      this.#calls.use(callsOf(next))
    }
    this.#due = Math.max(renewalOf(next.certificate).getTime(), now.getTime() + pauseMs)
    this.#renewing = undefined
  }
}

function callsOf({ settings, tls, follower }: LocalClient): Calls {
  return openCalls({ url: settings.server, tls, follower })
}
