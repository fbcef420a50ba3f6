/**
 * Notices a host that was stopped (SIGSTOP) or whose main thread is stuck: it must say something every so often. Counted
 * in turns of our own timer, so that a pause of this process is not taken for one of the host.
 */
import { readFileSync } from 'node:fs'

const beatMs = 200
/**
 * Turns without a word after which the host is given up. Long, because a busy machine may starve it: its main thread calls
 * no library once it is up, so silence is rarely anything but a stop, and that is asked of the kernel.
 */
const maxMissed = 14
/** Turns without a word after which the kernel is asked whether the process is stopped. */
const suspicious = 2

export interface PulseEvents {
  /** Asks the host to say something. */
  readonly ask: () => void
  /** Called once when nothing was heard for too long. */
  readonly onLost: () => void
}

export class Pulse {
  readonly #timer: NodeJS.Timeout
  readonly #pid: number | undefined
  readonly #events: PulseEvents
  #missed = 0

  constructor(pid: number | undefined, events: PulseEvents) {
    this.#pid = pid
    this.#events = events
    this.#timer = setInterval(() => this.#turn(), beatMs)
  }

  /** The host said something. */
  beat(): void {
    this.#missed = 0
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #turn(): void {
    this.#missed += 1
    const stopped = this.#missed > suspicious && isStopped(this.#pid)
    if (this.#missed <= maxMissed && !stopped) {
      this.#events.ask()
      return
    }
    this.stop()
    this.#events.onLost()
  }
}

/** Whether the kernel says that the process is stopped; false where it cannot be asked. @see proc(5), /proc/pid/stat */
function isStopped(pid: number | undefined): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold anything; the state follows the last one.
    const state = text.slice(text.lastIndexOf(')') + 2)[0]
    return state === 'T' || state === 't'
  } catch {
    return false
  }
}
