/**
 * Follows the token's stamp through our own writes. While it is what we left, nobody else has made or destroyed a key and
 * the key directory is complete.
 */
import type { JobName } from './jobs/job-table.js'
import type { Stamps } from './worker-messages.js'

export class KnownStamp {
  #known: string | undefined
  /** The stamp of the scan that is being read into the directory, followed through our own writes. */
  #pending: string | undefined

  /** The stamp that the token has when the directory is complete; undefined when that is not known. */
  get value(): string | undefined {
    return this.#known
  }

  /** Takes the stamps around a job, in the order in which the jobs ended. */
  follow(name: JobName, { before, after }: Stamps): void {
    if (name === 'scanObjects') {
      this.#pending = before
      return
    }
    if (before === this.#known) this.#known = after
    if (before === this.#pending) this.#pending = after
  }

  /** The last scan has been read into the directory. */
  filled(): void {
    this.#known = this.#pending
  }
}
