/** The software token as an {@link Hsm}: each verb is one look-up and one operation, within the caller's limits. */
import { DomainError, type HsmKeyId, hasCode, type SecretBytes } from '@keyhsm/core'
import type {
  CallOptions,
  Hsm,
  HsmCapabilities,
  HsmHealth,
  HsmKey,
  KeySpec,
  WrappedKey,
} from '../hsm.js'
import { keyKinds } from '../kinds.js'
import { checkKeySpec } from '../key-spec.js'
import { type StillWanted, withinLimits } from '../call-limits.js'
import { toTokenError } from './durable-files.js'
import {
  authenticateWith,
  signWith,
  softTokenAlgorithms,
  unwrapWith,
  wrapWith,
} from './operations.js'
import type { TokenKeys } from './token-keys.js'

/** One connection to a software token. */
export class SoftToken implements Hsm {
  readonly profile = 'soft-token'
  readonly description: string
  readonly capabilities: HsmCapabilities = {
    kinds: keyKinds,
    wrapAlgorithms: softTokenAlgorithms,
    durableKeys: true,
    seesOutsideChanges: true,
    hardware: false,
  }
  readonly #keys: TokenKeys
  readonly #release: () => void
  readonly #running = new Set<Promise<unknown>>()
  #closed = false

  /** `release` wipes what the login gave; called once. */
  constructor(description: string, keys: TokenKeys, release: () => void) {
    this.description = description
    this.#keys = keys
    this.#release = release
  }

  createKey(spec: KeySpec, options: CallOptions = {}): Promise<HsmKey> {
    return this.#run(options, async (stillWanted) =>
      this.#keys.create(checkKeySpec(spec), stillWanted),
    )
  }

  findKey(id: HsmKeyId, options: CallOptions = {}): Promise<HsmKey | undefined> {
    return this.#run(options, async () => (await this.#keys.find(id))?.key)
  }

  listKeys(options: CallOptions = {}): Promise<readonly HsmKey[]> {
    return this.#run(options, () => this.#keys.list())
  }

  wrapKey(
    id: HsmKeyId,
    contentKey: SecretBytes,
    binding: Buffer,
    options: CallOptions = {},
  ): Promise<WrappedKey> {
    return this.#run(options, async () => wrapWith(await this.#keys.read(id), contentKey, binding))
  }

  unwrapKey(
    id: HsmKeyId,
    wrapped: WrappedKey,
    binding: Buffer,
    options: CallOptions = {},
  ): Promise<SecretBytes> {
    const work = async () => unwrapWith(await this.#keys.read(id), wrapped, binding)
    return this.#run(options, work, wipe)
  }

  authenticate(id: HsmKeyId, message: Buffer, options: CallOptions = {}): Promise<SecretBytes> {
    const work = async () => authenticateWith(await this.#keys.read(id), message)
    return this.#run(options, work, wipe)
  }

  sign(id: HsmKeyId, message: Buffer, options: CallOptions = {}): Promise<Buffer> {
    return this.#run(options, async () => signWith(await this.#keys.read(id), message))
  }

  destroyKey(id: HsmKeyId, options: CallOptions = {}): Promise<'destroyed' | 'already-gone'> {
    return this.#run(options, (stillWanted) => this.#keys.destroy(id, stillWanted))
  }

  recheck(options: CallOptions = {}): Promise<void> {
    return this.#run(options, () => this.#keys.recheck())
  }

  async probe(options: CallOptions = {}): Promise<HsmHealth> {
    const startedAt = performance.now()
    const common = { sessions: this.#closed ? 0 : 1, keyLimit: undefined }
    try {
      await this.recheck(options)
      const keys = await this.#keys.count()
      const roundTripMs = performance.now() - startedAt
      return { ...common, state: 'ready', roundTripMs, keys, detail: this.description }
    } catch (error) {
      const reason = toTokenError(error)
      const state = hasCode(reason, 'ERR_HSM_LOGIN') ? 'login-refused' : 'unavailable'
      const detail = `${this.description}: ${reason.message}`
      return { ...common, state, roundTripMs: undefined, keys: undefined, detail }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#running)
    this.#keys.forgetAll()
    this.#release()
  }

  async #run<Result>(
    options: CallOptions,
    work: (stillWanted: StillWanted) => Promise<Result>,
    discard: (late: Result) => void = () => undefined,
  ): Promise<Result> {
    if (this.#closed) throw new DomainError('ERR_HSM_UNAVAILABLE', 'the token was closed')
    try {
      return await withinLimits(options, (stillWanted) => this.#track(work(stillWanted)), discard)
    } catch (error) {
      throw toTokenError(error)
    }
  }

  #track<Result>(work: Promise<Result>): Promise<Result> {
    this.#running.add(work)
    return work.finally(() => this.#running.delete(work))
  }
}

function wipe(secret: SecretBytes): void {
  secret.wipe()
}
