/** Puts, gets and purges that go on while deposits are moved, and what every deposit must give back. */
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { purgeAnyDepositRoute } from '@keyhsm/protocol'
import { passing, patiently } from './patiently.mjs'
import { openTrustee } from './trustee.mjs'

/** Deposits that stay through all rounds. */
const lasting = 12
/** Put within a round, one after the other; those of the round before are purged meanwhile. */
const putsOfRound = 4

export class MovingLoad {
  puts = 0
  gets = 0
  purges = 0
  /** What became of deposits that did not give back their bytes. */
  lost = []
  #contents = new Map()
  #fresh = []
  #running = []
  #stopped = false

  static async open(stack, administrator) {
    const load = new MovingLoad(await openTrustee(stack), administrator)
    for (let index = 0; index < lasting; index++) await load.#put(`lasting-${index}`)
    return load
  }

  constructor({ trustee, transport }, administrator) {
    this.trustee = trustee
    this.transport = transport
    this.administrator = administrator
  }

  get size() {
    return this.#contents.size
  }

  begin(round) {
    this.#stopped = false
    const old = this.#fresh
    this.#fresh = []
    this.#running = [this.#putAll(round), this.#getAny(), this.#purgeAll(old)]
  }

  /** Ends the load of the round; then every deposit is opened and compared. */
  async end() {
    this.#stopped = true
    await Promise.all(this.#running)
    for (const handle of this.#contents.keys()) await this.#expectBytes(handle)
  }

  async close() {
    this.#stopped = true
    await Promise.all(this.#running)
    await this.transport.close()
  }

  async #putAll(round) {
    for (let index = 0; index < putsOfRound && !this.#stopped; index++) {
      const handle = `round-${round}-${index}`
      if (await this.#put(handle)) this.#fresh.push(handle)
      await pause(60)
    }
  }

  async #getAny() {
    while (!this.#stopped) {
      const handles = [...this.#contents.keys()]
      await this.#look(handles[randomInt(handles.length)])
      await pause(15)
    }
  }

  /** Purges in the midst of the move: afterwards neither the old nor the new form may open. */
  async #purgeAll(handles) {
    for (const handle of handles) {
      const { uuid } = this.#contents.get(handle)
      this.#contents.delete(handle)
      await patiently(() =>
        this.administrator.call(purgeAnyDepositRoute, { params: { ref: uuid }, body: {} }),
      )
      this.purges += 1
      const back = await patiently(() => this.trustee.get(uuid))
      if (back.content) this.lost.push(`${handle} was purged, and opened`)
    }
  }

  /** @returns whether it was acknowledged: of one that failed nothing is claimed */
  async #put(handle) {
    const content = randomBytes(200 + randomInt(2000))
    const put = await this.trustee.put({ handle, content, condition: 'absent' }).catch(() => {})
    if (!put) return false
    this.puts += 1
    this.#contents.set(handle, { uuid: put.uuid, digest: digest(content) })
    return true
  }

  async #expectBytes(handle) {
    const back = await patiently(() => this.trustee.get(handle))
    const expected = this.#contents.get(handle)
    if (expected && !(back.content && digest(back.content) === expected.digest))
      this.lost.push(`lost: ${handle} (${back.code ?? 'other bytes'})`)
  }

  /** One look: only an answer about the deposit itself counts. */
  async #look(handle) {
    const expected = this.#contents.get(handle)
    const back = await this.trustee.get(handle).catch((error) => error)
    if (passing.has(back.code) || this.#contents.get(handle) !== expected) return
    this.gets += 1
    if (!(back.content && digest(back.content) === expected.digest))
      this.lost.push(`${handle} meanwhile: ${back.code ?? 'other bytes'}`)
  }
}

function digest(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}
