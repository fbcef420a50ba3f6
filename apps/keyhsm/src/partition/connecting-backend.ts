/** A backend of the running service: connects when it can, and is recognised once. */
import { type Clock, DomainError, SecretBytes, toDomainError } from '@keyhsm/core'
import type { Hsm } from '@keyhsm/hsm'
import type { Log } from '@keyhsm/service'
import type { BackendConfiguration, BackendDescription } from '../backend-configuration.js'
import type { Paths } from '../paths.js'
import { openPartition } from './open-partition.js'
import type { Partition } from './partition.js'
import type { Backend } from './partitions.js'
import type { BackendHealth } from './partition.js'

export interface ConnectingOptions {
  readonly paths: Paths
  readonly log: Log
  readonly clock: Clock
  /** Puts a measuring device before the real one. */
  readonly measure: (hsm: Hsm, backend: string) => Hsm
  /** Partitions that are connected under other names. */
  readonly others: () => readonly Backend[]
}

/** Longest wait for requests under way when it closes. */
const drainMs = 10_000

export class ConnectingBackend implements Backend {
  readonly name: string
  readonly device: BackendDescription['device']
  readonly domain: string | undefined
  readonly #options: ConnectingOptions
  readonly #settings: BackendDescription['settings']
  #pin: SecretBytes | undefined
  #partition: Partition | undefined
  #connecting: Promise<Partition> | undefined
  #fault = new DomainError('ERR_HSM_UNAVAILABLE', 'not connected yet')
  #closed = false

  /** Keeps a copy of the PIN until the device is connected. */
  constructor(configuration: BackendConfiguration, options: ConnectingOptions) {
    const { name, device, settings, pin } = configuration
    this.name = name
    this.device = device
    this.domain = settings.domain
    this.#settings = settings
    this.#pin = SecretBytes.own(pin.expose((bytes) => Buffer.from(bytes)))
    this.#options = options
  }

  get partition(): Partition | undefined {
    return this.#partition
  }

  /** Why the last try to connect failed. */
  get fault(): DomainError {
    return this.#fault
  }

  /**
   * Connects unless it is; one try at a time.
   * @throws as `openPartition`; ERR_CONFLICT for a partition that is connected under another name already.
   */
  connect(): Promise<Partition> {
    if (this.#partition) return Promise.resolve(this.#partition)
    this.#connecting ??= this.#connectOnce()
      .catch((error: unknown) => {
        this.#fault = toDomainError(error)
        throw this.#fault
      })
      .finally(() => {
        this.#connecting = undefined
      })
    return this.#connecting
  }

  health(deadlineMs: number): Promise<BackendHealth> {
    return this.#partition?.health(deadlineMs) ?? Promise.resolve(this.#unconnected())
  }

  /** Waits for requests under way, within a limit, and releases the device. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#connecting?.catch(() => undefined)
    this.#pin?.wipe()
    await this.#partition?.activity.quiet({
      forMs: 0,
      atMostMs: drainMs,
      signal: new AbortController().signal,
    })
    await this.#partition?.close()
  }

  #unconnected(): BackendHealth {
    const state = this.#fault.code === 'ERR_HSM_LOGIN' ? 'login-refused' : 'unavailable'
    const unknown = { roundTripMs: undefined, keys: undefined, keyLimit: undefined }
    return { state, detail: this.#fault.message, sessions: 0, ...unknown }
  }

  async #connectOnce(): Promise<Partition> {
    const { others, measure, ...options } = this.#options
    const { name, device } = this
    if (!this.#pin || this.#closed) throw isClosed(name)
    const partition = await openPartition({
      ...options,
      configuration: { name, device, settings: this.#settings, pin: this.#pin },
      measure: (hsm) => measure(hsm, name),
    })
    try {
      if (this.#closed) throw isClosed(name)
      requireUnique(partition, others())
    } catch (error) {
      await partition.close()
      throw error
    }
    this.#partition = partition
    this.#pin.wipe()
    this.#pin = undefined
    return partition
  }
}

function isClosed(name: string): DomainError {
  return new DomainError('ERR_HSM_UNAVAILABLE', `the backend ${name} was closed`)
}

/** Keys would be counted, made and revoked twice under two names. @throws ERR_CONFLICT */
export function requireUnique({ keys, hsm }: Partition, others: readonly Backend[]): void {
  const canary = keys.canaryFingerprint
  const twin = others.find(({ partition }) => partition?.keys.canaryFingerprint === canary)
  if (!twin) return
  const detail = `${hsm.description} is the partition of the backend ${twin.name} already`
  throw new DomainError('ERR_CONFLICT', detail, {
    hints: ['each backend needs a partition of its own'],
  })
}
