/** Calls to the Trustee Server whose connections can be exchanged for those of a renewed certificate. */
import type { Calls } from './servers.js'

/** Longer than any request takes. */
const overlapMs = 120_000

export class RenewedCalls implements Calls {
  #now: Calls
  readonly #ending = new Set<Calls>()

  constructor(first: Calls) {
    this.#now = first
  }

  get peer(): string {
    return this.#now.peer
  }

  readonly call: Calls['call'] = (spec, options) => this.#now.call(spec, options)

  /** Calls begin over `next` from now on; those under way end where they began. */
  use(next: Calls): void {
    const before = this.#now
    this.#now = next
    this.#ending.add(before)
    const close = () => {
      this.#ending.delete(before)
      void before.close().catch(() => undefined)
    }
    setTimeout(close, overlapMs).unref()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#ending, this.#now].map((calls) => calls.close()))
  }

  async destroy(): Promise<void> {
    await Promise.all([...this.#ending, this.#now].map((calls) => calls.destroy()))
  }
}
