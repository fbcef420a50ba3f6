import type { KeyHsmLink } from '../sealing/key-hsm-link.js'

/** The link to the joined Key HSM; another can take its place while requests are under way. */
export class LinkInUse {
  #link: KeyHsmLink | undefined

  current(): KeyHsmLink | undefined {
    return this.#link
  }

  /** Connections that only the link before used are closed when its last request has ended. */
  use(link: KeyHsmLink): void {
    const before = this.#link
    this.#link = link
    if (before?.calls !== link.calls) void before?.calls.close().catch(() => undefined)
  }

  /** Nothing is in use any more. */
  async leave(): Promise<void> {
    const before = this.#link
    this.#link = undefined
    await before?.calls.close().catch(() => undefined)
  }

  async close(): Promise<void> {
    await this.#link?.calls.close()
  }
}
