/**
 * Notices a host that was stopped (SIGSTOP) or whose main thread is stuck: it must say something every so often. Counted
 * in turns of our own timer, so that a pause of this process is not taken for one of the host.
 */

const beatMs = 250
/** Turns without a word after which the host is given up: about 1.25 s. */
const maxMissed = 5

export class Pulse {
  readonly #timer: NodeJS.Timeout
  #missed = 0

  /** Calls `ask` every turn, and `onLost` once when nothing was heard for too long. */
  constructor(ask: () => void, onLost: () => void) {
    this.#timer = setInterval(() => {
      this.#missed += 1
      if (this.#missed > maxMissed) {
        this.stop()
        onLost()
      } else ask()
    }, beatMs)
  }

  /** The host said something. */
  beat(): void {
    this.#missed = 0
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
