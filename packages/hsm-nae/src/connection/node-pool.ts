/** Connections to one node: lent one at a time, kept while they are good, closed when idle for long. */
import { LinkError } from '../failure.js'
import type { NaeLink } from './nae-link.js'

export interface NodePoolOptions {
  readonly open: () => Promise<NaeLink>
  readonly maxLinks: number
  readonly idleMs: number
}

/** How a link was got: one that has served before may have died unnoticed. */
export interface Lent {
  readonly link: NaeLink
  readonly reused: boolean
}

interface Idle {
  readonly link: NaeLink
  readonly timer: NodeJS.Timeout
}

export class NodePool {
  readonly #options: NodePoolOptions
  readonly #idle: Idle[] = []
  readonly #busy = new Set<NaeLink>()
  /** Busy ones that are closed when they come back. */
  readonly #leaving = new WeakSet<NaeLink>()
  readonly #waiting: (() => void)[] = []
  #opening = 0
  #closed = false

  constructor(options: NodePoolOptions) {
    this.#options = options
  }

  /** Open connections. */
  get size(): number {
    return this.#idle.length + this.#busy.size
  }

  /** Lends a connection; it comes back into the pool when it is still good. @throws what `open` and `use` throw */
  async lend<Result>(use: (lent: Lent) => Promise<Result>): Promise<Result> {
    const lent = await this.#take()
    try {
      return await use(lent)
    } finally {
      this.#giveBack(lent.link)
    }
  }

  /** Closes idle connections: they may have died together with one that did. */
  dropIdle(): void {
    for (const { link, timer } of this.#idle.splice(0)) {
      clearTimeout(timer)
      link.close()
    }
  }

  /** No connection that is open now is lent again. */
  renew(): void {
    this.dropIdle()
    for (const link of this.#busy) this.#leaving.add(link)
  }

  close(): void {
    this.#closed = true
    this.dropIdle()
    for (const link of this.#busy) link.close()
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async #take(): Promise<Lent> {
    for (;;) {
      if (this.#closed) throw new LinkError('closed', 'the connection is closed')
      const idle = this.#takeIdle()
      if (idle) return { link: idle, reused: true }
      if (this.#busy.size + this.#opening < this.#options.maxLinks) return await this.#open()
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  #takeIdle(): NaeLink | undefined {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      clearTimeout(idle.timer)
      if (!idle.link.usable) continue
      this.#busy.add(idle.link)
      return idle.link
    }
    return undefined
  }

  async #open(): Promise<Lent> {
    this.#opening += 1
    try {
      const link = await this.#options.open()
      if (this.#closed) link.close()
      this.#busy.add(link)
      return { link, reused: false }
    } catch (error) {
      this.#waiting.shift()?.()
      throw error
    } finally {
      this.#opening -= 1
    }
  }

  #giveBack(link: NaeLink): void {
    this.#busy.delete(link)
    if (link.usable && !this.#closed && !this.#leaving.has(link)) {
      const timer = setTimeout(() => this.#retire(link), this.#options.idleMs)
      timer.unref()
      this.#idle.push({ link, timer })
    } else link.close()
    this.#waiting.shift()?.()
  }

  #retire(link: NaeLink): void {
    const at = this.#idle.findIndex((idle) => idle.link === link)
    if (at >= 0) this.#idle.splice(at, 1)
    link.close()
  }
}
