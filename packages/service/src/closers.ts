/** What was opened, closed in the reverse order: nothing half-started is left behind. */
export class Closers {
  readonly #close: (() => Promise<void> | void)[] = []

  add(close: () => Promise<void> | void): void {
    this.#close.push(close)
  }

  /** Closes everything, also after one failed. @throws the first failure. */
  async closeAll(): Promise<void> {
    const failures: unknown[] = []
    for (let close = this.#close.pop(); close; close = this.#close.pop()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
