/** Which ranges of code have run, by V8's own counters. */
import { Session } from 'node:inspector'

export class Coverage {
  #session = new Session()
  #folders
  #seen = new Set()

  /** @param {readonly string[]} folders parts of the URLs of the scripts that count */
  constructor(folders) {
    this.#folders = folders
    this.#session.connect()
    this.#post('Profiler.enable')
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** How many ranges have run since the last question and never before; they are remembered. */
  take() {
    const fresh = this.#fresh()
    for (const range of fresh) this.#seen.add(range)
    return fresh.size
  }

  /** As {@link take}, and nothing is remembered. */
  peek() {
    return this.#fresh().size
  }

  close() {
    this.#session.disconnect()
  }

  #fresh() {
    const fresh = new Set()
    const { result } = this.#post('Profiler.takePreciseCoverage')
    for (const { url, functions } of result) {
      if (!this.#folders.some((folder) => url.includes(folder))) continue
      for (const { ranges } of functions)
        for (const { count, startOffset, endOffset } of ranges) {
          const range = `${url}:${startOffset}:${endOffset}`
          if (count > 0 && !this.#seen.has(range)) fresh.add(range)
        }
    }
    return fresh
  }

  /** Answers at once: the session is of this very thread. */
  #post(method, params) {
    let answer
    this.#session.post(method, params, (error, result) => {
      if (error) throw new Error(`${method}: ${error.message}`)
      answer = result
    })
    return answer
  }
}
