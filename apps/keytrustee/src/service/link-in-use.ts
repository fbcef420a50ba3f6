import type { KeyHsmLink } from '../sealing/key-hsm-link.js'

/** Longer than any request takes. */
const overlapMs = 120_000

type Calls = KeyHsmLink['calls']

/** The link to the joined Key HSM; another can take its place while requests are under way. */
export class LinkInUse {
  #link: KeyHsmLink | undefined
  readonly #ending = new Set<Calls>()

  current(): KeyHsmLink | undefined {
    return this.#link
  }

  /** Connections that only the link before used are closed later: requests that took it before may still begin on it. */
  use(link: KeyHsmLink): void {
    const before = this.#link?.calls
    this.#link = link
    if (!before || before === link.calls) return
    this.#ending.add(before)
    const close = () => {
      this.#ending.delete(before)
      void before.close().catch(() => undefined)
    }
    setTimeout(close, overlapMs).unref()
  }

  /** Nothing is in use any more. */
  async leave(): Promise<void> {
    const before = this.#link
    this.#link = undefined
    await before?.calls.close().catch(() => undefined)
  }

  async close(): Promise<void> {
    const all = [...this.#ending, ...(this.#link ? [this.#link.calls] : [])]
    await Promise.all(all.map((calls) => calls.close()))
  }
}
