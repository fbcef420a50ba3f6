import type { KeyHsmLink } from '../sealing/key-hsm-link.js'

/** Longer than any request takes. */
const overlapMs = 120_000

/** The link to the joined Key HSM; another can take its place while requests are under way. */
export class LinkInUse {
  #link: KeyHsmLink | undefined
  readonly #before = new Set<KeyHsmLink>()

  current(): KeyHsmLink | undefined {
    return this.#link
  }

  /** The link before is closed when its last request has ended. */
  use(link: KeyHsmLink): void {
    const before = this.#link
    this.#link = link
    void before?.calls.close().catch(() => undefined)
  }

  /** As {@link use}, for the same Key HSM: requests that took the link before may still begin on it for a while. */
  exchange(link: KeyHsmLink): void {
    const before = this.#link
    this.#link = link
    if (!before) return
    this.#before.add(before)
    const close = () => {
      this.#before.delete(before)
      void before.calls.close().catch(() => undefined)
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
    const links = [...this.#before, ...(this.#link ? [this.#link] : [])]
    await Promise.all(links.map((link) => link.calls.close()))
  }
}
