/**
 * A level that an operator asked for, and the end of it: nobody has to remember to take it back, and a reload in between
 * changes nothing about it.
 */
import type { LogLevel } from './levels.js'

/** What the log does with a level; undefined: none is set. */
export type ApplyLevel = (level: LogLevel | undefined) => void

export class LevelForATime {
  readonly #apply: ApplyLevel
  /** Holds when no order does, e.g. `debug` of a service that was started so. */
  #base: LogLevel | undefined
  #timer: NodeJS.Timeout | undefined
  #until: Date | undefined

  constructor(apply: ApplyLevel) {
    this.#apply = apply
  }

  /** Undefined while nothing is set for a time. */
  get until(): Date | undefined {
    return this.#until
  }

  /** The level for as long as the log is open; one that was set for a time goes on until its end. */
  setBase(level: LogLevel | undefined): void {
    this.#base = level
    if (this.#until === undefined) this.#apply(level)
  }

  /** `onEnd` is called when the time is over, not when another order comes before. @returns when that is. */
  set(level: LogLevel, forMs: number, onEnd: () => void): Date {
    clearTimeout(this.#timer)
    this.#until = new Date(Date.now() + forMs)
    this.#timer = setTimeout(() => {
      this.end()
      onEnd()
    }, forMs)
    this.#timer.unref()
    this.#apply(level)
    return this.#until
  }

  /** Back to what holds otherwise. */
  end(): void {
    clearTimeout(this.#timer)
    this.#until = undefined
    this.#apply(this.#base)
  }
}
