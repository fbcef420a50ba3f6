/**
 * A lock between processes on one machine that the kernel releases when its holder dies, whatever killed it: whoever
 * listens on an abstract Unix socket holds it; the others connect and wait to be cut off. It is taken for every write, so
 * it must be cheap: 0.2 ms, where flock(1) would cost a process each time (Node has no flock), and a lock file would have
 * to be cleaned up after kill -9, which cannot be done without a race.
 *
 * Any local user can take an abstract name, so this guards against accidents, not against attackers: a squatter makes the
 * token busy, no more. It does not reach across network namespaces. Only profiles without a device behind them need it.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'

/** Milliseconds between two tries when neither listening nor connecting worked. */
const retryMs = 5

export class TokenLock {
  readonly #path: string
  readonly #waiters = new Set<Socket>()
  #server: Server | undefined

  /** `name` is the same in every process that must exclude the others; at most 90 characters. */
  constructor(name: string) {
    this.#path = `\0keyhsm-${name}`
  }

  /** True while another process waits for this lock, which this one holds. */
  get contended(): boolean {
    return this.#waiters.size > 0
  }

  /** Resolves when this process holds the lock; false when `signal` was aborted first. */
  async acquire(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      if (await this.#listen()) return true
      await this.#waitForRelease(signal)
    }
    return false
  }

  /** Lets the next process have it. */
  release(): void {
    this.#server?.close()
    this.#server = undefined
    for (const waiter of this.#waiters) waiter.destroy()
    this.#waiters.clear()
  }

  #listen(): Promise<boolean> {
    const server = createServer((waiter) => this.#addWaiter(waiter))
    return new Promise((resolve) => {
      server.once('error', () => resolve(false))
      server.listen({ path: this.#path }, () => {
        this.#server = server
        resolve(true)
      })
    })
  }

  #addWaiter(waiter: Socket): void {
    if (!this.#server) {
      waiter.destroy()
      return
    }
    this.#waiters.add(waiter)
    waiter.on('error', () => waiter.destroy())
    waiter.once('close', () => this.#waiters.delete(waiter))
  }

  #waitForRelease(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const holder = connect({ path: this.#path })
      const done = () => {
        signal.removeEventListener('abort', done)
        holder.destroy()
        setTimeout(resolve, Math.random() * retryMs)
      }
      holder.once('error', done)
      holder.once('close', done)
      signal.addEventListener('abort', done, { once: true })
    })
  }
}
