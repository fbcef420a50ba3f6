/** Asks the raw process for rates: the limit that every other figure of the run is compared with. */
import { fork } from 'node:child_process'

export class RawLimit {
  #child
  #waiting = new Map()
  #next = 1

  /** @param {ReturnType<import('./token.mjs').makeToken>} token */
  static async start(token) {
    const limit = new RawLimit()
    await limit.#start(token)
    return limit
  }

  /** The process id, for the account of who used the CPU. */
  get pid() {
    return this.#child.pid
  }

  /** @returns {Promise<{ rate: number, p50Ms: number, p99Ms: number, cpuMs: number, failed: number }>} */
  measure({ operation, threads, forMs, warmMs = forMs / 4 }) {
    const number = this.#next++
    const answer = new Promise((resolve, reject) => this.#waiting.set(number, { resolve, reject }))
    this.#child.send({ number, operation, threads, forMs, warmMs })
    return answer
  }

  close() {
    this.#child.removeAllListeners('exit')
    this.#child.kill('SIGKILL')
  }

  #start({ library, label, pin, env }) {
    this.#child = fork(new URL('./raw-host.mjs', import.meta.url), [], {
      env: { ...process.env, ...env },
      execArgv: [],
    })
    this.#child.send({ library, label, pin })
    return new Promise((resolve, reject) => {
      this.#child.on('message', (message) => {
        if (message.ready) resolve()
        else if (message.error) this.#fail(new Error(message.error), reject)
        else this.#take(message)
      })
      this.#child.on('exit', (code, signal) =>
        this.#fail(new Error(`the raw process ended: ${signal ?? code}`), reject),
      )
    })
  }

  #take({ number, result }) {
    this.#waiting.get(number)?.resolve(result)
    this.#waiting.delete(number)
  }

  #fail(error, reject) {
    reject(error)
    for (const { reject: give } of this.#waiting.values()) give(error)
    this.#waiting.clear()
  }
}
