/** One call at a time for one key: whoever asks meanwhile gets the same answer. */
export class SingleFlight<Result> {
  readonly #running = new Map<string, Promise<Result>>()

  do(key: string, work: () => Promise<Result>): Promise<Result> {
    const running = this.#running.get(key)
    if (running) return running
    const started = work().finally(() => {
      if (this.#running.get(key) === started) this.#running.delete(key)
    })
    this.#running.set(key, started)
    return started
  }

  /** The next call asks anew, whatever is under way now: what is under way may have read the old state. */
  forget(key: string): void {
    this.#running.delete(key)
  }
}
