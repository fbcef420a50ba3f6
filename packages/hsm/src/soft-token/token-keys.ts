/** The keys of one connected token: loaded once, and looked for again on every use, so that a removed one stops at once. */
import { DomainError, type HsmKeyId } from '@keyhsm/core'
import type { HsmKey, KeySpec } from '../hsm.js'
import type { StillWanted } from '../call-limits.js'
import { type KeyDirectory, idTaken } from './key-directory.js'
import { formatKeyFile, type KeyFileSeal, parseKeyFile } from './key-file.js'
import { type LoadedKey, loadKey } from './loaded-key.js'
import { makeKeyMaterial } from './make-key-material.js'

interface Cached {
  readonly file: string
  readonly key: LoadedKey
}

/** The keys of the token as one connection knows them. */
export class TokenKeys {
  readonly #directory: KeyDirectory
  readonly #seal: KeyFileSeal
  /** Throws ERR_HSM_UNAVAILABLE unless the token itself is there: an absent key on an absent token proves nothing. */
  readonly #proveToken: () => Promise<void>
  readonly #loaded = new Map<HsmKeyId, Cached>()

  constructor(directory: KeyDirectory, seal: KeyFileSeal, proveToken: () => Promise<void>) {
    this.#directory = directory
    this.#seal = seal
    this.#proveToken = proveToken
  }

  /** The key with this id, or undefined after two looks with the token proved between them. @throws ERR_CONFLICT */
  async find(id: HsmKeyId): Promise<LoadedKey | undefined> {
    const first = await this.#look(id)
    if (first) return first
    await this.#proveToken()
    return this.#look(id)
  }

  /** @throws ERR_NOT_FOUND when no key has this id; ERR_CONFLICT when two have. */
  async read(id: HsmKeyId): Promise<LoadedKey> {
    const key = await this.find(id)
    if (key) return key
    throw new DomainError('ERR_NOT_FOUND', `the token has no HSM key ${id}`)
  }

  /** @throws ERR_ALREADY_EXISTS when the id is taken. */
  async create(spec: KeySpec, stillWanted: StillWanted): Promise<HsmKey> {
    if ((await this.#directory.files(spec.id)).length > 0) throw idTaken()
    const material = await makeKeyMaterial(spec.kind)
    const text = formatKeyFile(this.#seal, spec, material)
    const key = loadKey(spec, material)
    const file = await this.#directory.insert(spec.id, text, stillWanted)
    this.#loaded.set(spec.id, { file, key })
    return key.key
  }

  /** Every key, planted duplicates included. */
  async list(): Promise<HsmKey[]> {
    const keys: HsmKey[] = []
    for (const id of await this.#directory.ids()) {
      for (const file of await this.#directory.files(id)) {
        const loaded = await this.#load(id, file)
        if (loaded) keys.push(loaded.key)
      }
    }
    return keys
  }

  /** Removes the key and proves that it is gone. @throws ERR_CONFLICT when two keys have this id. */
  async destroy(id: HsmKeyId, stillWanted: StillWanted): Promise<'destroyed' | 'already-gone'> {
    const files = await this.#directory.files(id)
    if (files.length > 1) throw twoKeys(id)
    if (files.length === 0) await this.#proveToken()
    stillWanted()
    const removed = await this.#directory.remove(id)
    this.#loaded.delete(id)
    if ((await this.#directory.files(id)).length > 0) {
      throw new DomainError('ERR_HSM_REFUSED', `HSM key ${id} is still on the token`)
    }
    return removed && files.length > 0 ? 'destroyed' : 'already-gone'
  }

  /** Forgets every loaded key that is not on the token any more. */
  async recheck(): Promise<void> {
    await this.#proveToken()
    for (const [id, cached] of this.#loaded) {
      const files = await this.#directory.files(id)
      if (!files.includes(cached.file)) this.#loaded.delete(id)
    }
  }

  async count(): Promise<number> {
    return (await this.#directory.ids()).length
  }

  forgetAll(): void {
    this.#loaded.clear()
  }

  async #look(id: HsmKeyId): Promise<LoadedKey | undefined> {
    const files = await this.#directory.files(id)
    if (files.length > 1) throw twoKeys(id)
    const file = files[0]
    if (file === undefined) {
      this.#loaded.delete(id)
      return undefined
    }
    const cached = this.#loaded.get(id)
    if (cached?.file === file) return cached.key
    const key = await this.#load(id, file)
    if (key) this.#loaded.set(id, { file, key })
    return key
  }

  async #load(id: HsmKeyId, file: string): Promise<LoadedKey | undefined> {
    const text = await this.#directory.read(id, file)
    if (text === undefined) return undefined
    const { spec, material } = parseKeyFile(this.#seal, id, text)
    return loadKey(spec, material)
  }
}

function twoKeys(id: HsmKeyId): DomainError {
  return new DomainError('ERR_CONFLICT', `two HSM keys have the id ${id}`)
}
