/**
 * The outcomes of operations that one request asked for, each with its own entry. The HSM ends them one after another, and
 * each entry alone would be a write of its own to the disk: they are written when all have ended, before anybody is answered.
 */
import type { Audit } from '@keyhsm/service'

/** Where as many operations as were announced wait for each other. */
export class GatheredOutcomes {
  readonly #audit: Pick<Audit, 'append'>
  readonly #allEnded: Promise<void>
  #release: () => void = () => undefined
  #running: number

  constructor(audit: Pick<Audit, 'append'>, operations: number) {
    this.#audit = audit
    this.#running = operations
    this.#allEnded = new Promise((resolve) => {
      this.#release = resolve
    })
  }

  /** Runs one of them with its audit. One that throws without an outcome keeps the others no longer either. */
  async during<Result>(work: (audit: Pick<Audit, 'append'>) => Promise<Result>): Promise<Result> {
    let ended = false
    const end = (): void => {
      if (ended) return
      ended = true
      this.#running -= 1
      if (this.#running === 0) this.#release()
    }
    try {
      return await work({
        append: async (entry) => {
          if (entry.event === 'outcome') {
            end()
            await this.#allEnded
          }
          return await this.#audit.append(entry)
        },
      })
    } finally {
      end()
    }
  }
}
