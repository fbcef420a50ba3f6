/** Clients that put and get while servers are exchanged, and remember what was acknowledged. */
import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { noRetry, openCalls, readLocalClient, TrusteeClient } from '@keyhsm/client'
import { patiently } from '../lib/patiently.mjs'

const loops = 3

export class Load {
  /** Contents of acknowledged deposits, by handle. */
  acknowledged = new Map()
  gets = 0
  /** The longest time in which nothing was acknowledged. */
  longestGapMs = 0
  faults = []
  #stopped = false
  #lastAt = Date.now()

  /** @param {{ client: string, urls: readonly string[] }} o */
  static async open({ client, urls }) {
    const { tls } = await readLocalClient(client)
    const url = urls.join(',')
    return new Load(new TrusteeClient(openCalls({ url, tls, timeoutMs: 5_000 }), noRetry))
  }

  constructor(trustee) {
    this.trustee = trustee
  }

  begin() {
    this.#lastAt = Date.now()
    this.#running = Promise.all(Array.from({ length: loops }, (_, index) => this.#loop(index)))
  }

  /** Waits until so many more are acknowledged. */
  async more(count) {
    const until = this.acknowledged.size + count
    const deadline = Date.now() + 60_000
    while (this.acknowledged.size < until) {
      if (Date.now() > deadline) throw new Error(`no ${count} puts within a minute`)
      await pause(50)
    }
  }

  async end() {
    this.#stopped = true
    await this.#running
  }

  close() {
    return this.trustee.close()
  }

  /** Handles of `contents` that are not what was put. */
  async findLost(contents = this.acknowledged) {
    const lost = []
    for (const [handle, content] of contents) {
      const got = await patiently(() => this.trustee.get(handle))
      if (!got.content || !Buffer.from(got.content).equals(content)) lost.push(handle)
    }
    return lost
  }

  #running = Promise.resolve()

  async #loop(index) {
    for (let count = 0; !this.#stopped; count += 1) {
      await this.#put(`upgrade-${index}-${count}`)
      await this.#getAny()
      await pause(20)
    }
  }

  /** Under one request id until somebody answers. */
  async #put(handle) {
    const content = randomBytes(40)
    const requestId = randomUUID()
    const answer = await patiently(() => this.trustee.put({ handle, content, requestId }))
    if (answer instanceof Error) {
      this.faults.push(`${handle}: ${answer.code}`)
      return
    }
    this.acknowledged.set(handle, content)
    this.longestGapMs = Math.max(this.longestGapMs, Date.now() - this.#lastAt)
    this.#lastAt = Date.now()
  }

  async #getAny() {
    const handles = [...this.acknowledged.keys()]
    const handle = handles[randomInt(handles.length)]
    const lost = await this.findLost(new Map([[handle, this.acknowledged.get(handle)]]))
    this.gets += 1
    this.faults.push(...lost.map((name) => `${name}: not what was put`))
  }
}
