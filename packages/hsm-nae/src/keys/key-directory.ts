/**
 * What is known of the appliance's keys. The device is asked by name at each use, so what is remembered here only spares
 * questions about things that never change: kind, use, label, public key.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { DomainError, hasCode, type HsmKeyId } from '@keyhsm/core'
import { type HsmKey, secretKeyFingerprint, spkiFingerprint } from '@keyhsm/hsm'
import type { Affinity, Cluster, Member } from '../connection/cluster.js'
import type { NaeLink } from '../connection/nae-link.js'
import type { NaeDialect } from '../dialect/dialect.js'
import { NaeRefusal, refusalToError } from '../failure.js'
import { keyInfoRequest, type NaeKeyInfo, parseKeyInfo } from '../messages/keys.js'
import type { NaeTimers } from '../options.js'
import { labelAttribute, parseKeyName, toKeyName } from './key-names.js'
import { toKindAndUse } from './kinds.js'
import { listNames } from './list-names.js'
import { readPublicKey } from './read-public-key.js'

/** A key and what the appliance says of its versions. */
export interface KnownKey {
  readonly key: HsmKey
  readonly versions: NaeKeyInfo['versions']
}

/** A key seen on a certain node. */
export interface Sighting extends KnownKey {
  readonly member: Member
}

interface Remembered extends KnownKey {
  readonly at: number
}

const maxRemembered = 4096

/** Refusals that may mean a missing key: some appliances answer alike when the user may not see it. */
const nameless: ReadonlySet<string> = new Set(['unknown', 'forbidden'])

/** What is remembered of the keys of one backend. */
export class KeyDirectory {
  readonly #cluster: Cluster
  readonly #dialect: NaeDialect
  readonly #timers: NaeTimers
  readonly #known = new Map<HsmKeyId, Remembered>()

  constructor(cluster: Cluster, dialect: NaeDialect, timers: NaeTimers) {
    this.#cluster = cluster
    this.#dialect = dialect
    this.#timers = timers
  }

  /**
   * The key, from memory when it was asked lately.
   * @throws ERR_NOT_FOUND after two looks
   */
  async need(id: HsmKeyId): Promise<KnownKey> {
    const remembered = this.#known.get(id)
    if (remembered && performance.now() - remembered.at < this.#timers.factsMs) return remembered
    const found = await this.find(id)
    if (!found) throw notFound()
    return found
  }

  /**
   * The key as the appliance shows it now; undefined when two looks, on different nodes where more than one answers, found
   * none. Within the time of replication only the node that wrote the key is asked.
   * @throws ERR_HSM_UNAVAILABLE when no node can be asked
   */
  async find(id: HsmKeyId): Promise<Sighting | undefined> {
    const bound = this.#cluster.affinityOf(toKeyName(id))
    if (bound) return await this.#findBound(id, bound)
    const order = this.#cluster.writeOrder()
    const first = await this.#firstAnswer(id, order)
    if (first.seen) return first.seen
    await sleep(this.#timers.secondLookMs)
    return this.#settled(id, await this.#lookAgain(id, order, first.member))
  }

  /** Every key of ours. Facts about keys met before are not asked for again. */
  async list(): Promise<readonly HsmKey[]> {
    const ids = await this.#ids()
    const keys: HsmKey[] = []
    const queue = ids.values()
    const worker = async () => {
      for (const id of queue) {
        const found = this.#known.get(id) ?? (await this.look(id))
        if (found) keys.push(found.key)
      }
    }
    await Promise.all(Array.from({ length: 4 }, worker))
    return keys.sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** Forgets every key that is no longer listed; returns how many are. */
  async recheck(): Promise<number> {
    const ids = new Set(await this.#ids())
    for (const id of this.#known.keys()) if (!ids.has(id)) this.#known.delete(id)
    return ids.size
  }

  forget(id: HsmKeyId): void {
    this.#known.delete(id)
  }

  /** Only the node that wrote the key can say that it is gone; that it is there, any can say of a key that was made. */
  async #findBound(id: HsmKeyId, { member, only }: Affinity): Promise<Sighting | undefined> {
    try {
      const seen = await this.look(id, member)
      if (seen) return seen
      await sleep(this.#timers.secondLookMs)
      return this.#settled(id, await this.look(id, member))
    } catch (error) {
      if (only || !hasCode(error, 'ERR_HSM_UNAVAILABLE')) throw error
      const others = this.#cluster.writeOrder().filter((other) => other !== member)
      const { seen } = await this.#firstAnswer(id, others)
      if (!seen) throw error
      return seen
    }
  }

  #settled(id: HsmKeyId, seen: Sighting | undefined): Sighting | undefined {
    if (!seen) this.#known.delete(id)
    return seen
  }

  /** What the first node says that can be asked. @throws ERR_HSM_UNAVAILABLE when none can */
  async #firstAnswer(
    id: HsmKeyId,
    order: readonly Member[],
  ): Promise<{ seen: Sighting | undefined; member: Member }> {
    let trouble: unknown
    for (const member of order) {
      try {
        return { seen: await this.look(id, member), member }
      } catch (error) {
        if (!hasCode(error, 'ERR_HSM_UNAVAILABLE')) throw error
        trouble = error
      }
    }
    throw trouble
  }

  /** The second look: on every other node that is well, or on the same when there is none. */
  async #lookAgain(
    id: HsmKeyId,
    order: readonly Member[],
    first: Member,
  ): Promise<Sighting | undefined> {
    const well = order.filter((member) => member !== first && member.failedAt === undefined)
    let answers = 0
    for (const member of well) {
      const seen = await this.look(id, member).catch((error: unknown) => {
        if (hasCode(error, 'ERR_HSM_UNAVAILABLE')) return 'unavailable'
        throw error
      })
      if (typeof seen === 'object') return seen
      if (seen === undefined) answers += 1
    }
    return answers > 0 ? undefined : await this.look(id, first)
  }

  async #ids(): Promise<HsmKeyId[]> {
    const { result } = await this.#cluster.run({ kind: 'read-first' }, (link) =>
      listNames(link, this.#dialect, this.#timers.readMs),
    )
    return result.map(parseKeyName).filter((id) => id !== undefined)
  }

  /** One look: on this node, or on the first that can be asked. */
  async look(id: HsmKeyId, at?: Member): Promise<Sighting | undefined> {
    const job = { kind: 'read-first', ...(at ? { at } : {}) } as const
    const { result, member } = await this.#cluster.run(job, (link) => this.#describe(link, id))
    if (!result) return undefined
    this.#remember(id, result)
    return { ...result, member }
  }

  async #describe(link: NaeLink, id: HsmKeyId): Promise<KnownKey | undefined> {
    const name = toKeyName(id)
    const info = await this.#info(link, name)
    const told = info && toKindAndUse(this.#dialect, info)
    if (!info || !told || isWiped(info)) return undefined
    const [dialect, timers] = [this.#dialect, this.#timers]
    const publicKey = await readPublicKey(link, { dialect, timers, name, kind: told.kind })
    const fingerprint = publicKey ? spkiFingerprint(publicKey) : secretKeyFingerprint(id)
    const label = info.attributes.get(labelAttribute) ?? name
    return { key: { id, label, ...told, publicKey, fingerprint }, versions: info.versions }
  }

  /** A refusal may mean "no such key" or "not for you", and its text may be unknown: then the list of names decides. */
  async #info(link: NaeLink, name: string): Promise<NaeKeyInfo | undefined> {
    const { readMs } = this.#timers
    try {
      const { element } = await link.request(keyInfoRequest(this.#dialect, name), readMs)
      return parseKeyInfo(this.#dialect, element)
    } catch (error) {
      if (!(error instanceof NaeRefusal) || error.means === 'session-lost') throw error
      if (error.means === 'missing-or-forbidden') return undefined
      if (error.fatal || !nameless.has(error.means)) throw refusalToError(error)
      const names = await listNames(link, this.#dialect, readMs)
      if (names.includes(name)) throw refusalToError(error)
      return undefined
    }
  }

  #remember(id: HsmKeyId, known: KnownKey): void {
    this.#known.delete(id)
    this.#known.set(id, { ...known, at: performance.now() })
    const [oldest] = this.#known.keys()
    if (this.#known.size > maxRemembered && oldest !== undefined) this.#known.delete(oldest)
  }
}

/** The name of a versioned key may outlive its bytes. */
function isWiped({ versions }: NaeKeyInfo): boolean {
  return versions.length > 0 && versions.every(({ state }) => state === 'wiped')
}

/** The error of a key that is not there. */
export function notFound(): DomainError {
  return new DomainError('ERR_NOT_FOUND', 'the HSM key is not there')
}
