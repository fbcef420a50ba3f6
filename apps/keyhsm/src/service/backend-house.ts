/**
 * The HSMs of the running service: connected at start, looked at again and again, exchanged by a reload. One that cannot be
 * connected is tried again by itself while the others serve.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type DomainError, toDomainError } from '@keyhsm/core'
import type { BackendConfiguration } from '../backend-configuration.js'
import type { Configuration } from '../configuration.js'
import { ConnectingBackend, type ConnectingOptions } from '../partition/connecting-backend.js'
import { Partitions } from '../partition/partitions.js'
import { type RecheckTimerOptions, startRecheckTimer } from './recheck-timer.js'
import { findDeviceWarnings } from './status.js'

export type House = Partitions<ConnectingBackend>

export type HouseOptions = Omit<ConnectingOptions, 'others'> &
  Pick<RecheckTimerOptions, 'everyMs' | 'onError' | 'realms'>

/** Once one HSM is connected, the start waits this long for the others. */
const graceMs = 10_000

export class BackendHouse {
  readonly #options: HouseOptions
  readonly #watches = new Map<ConnectingBackend, () => Promise<void>>()
  #partitions: House
  #watching = false

  private constructor(configuration: Configuration, options: HouseOptions) {
    this.#options = options
    const backends = configuration.backends.map((one) => this.make(one))
    this.#partitions = new Partitions(backends, configuration.defaultBackend)
  }

  /**
   * Connects to every HSM; the caller wipes the PINs.
   * @throws why the default one cannot be connected, when none can.
   */
  static async open(configuration: Configuration, options: HouseOptions): Promise<BackendHouse> {
    const house = new BackendHouse(configuration, options)
    try {
      await house.#connectAll()
      return house
    } catch (error) {
      await house.close()
      throw error
    }
  }

  get partitions(): House {
    return this.#partitions
  }

  /** A backend that is not in use yet. */
  make(configuration: BackendConfiguration): ConnectingBackend {
    return new ConnectingBackend(configuration, {
      ...this.#options,
      others: () => this.#partitions.backends,
    })
  }

  /** Begins to look at the devices, from now on at those of an exchange too. */
  watch(): void {
    this.#watching = true
    for (const backend of this.#partitions.backends) this.#watch(backend)
  }

  /** Waits for looks in progress. */
  async stopWatching(): Promise<void> {
    this.#watching = false
    await Promise.all([...this.#watches.values()].map((stop) => stop()))
    this.#watches.clear()
  }

  /** Puts other backends into use; those that are gone finish what is under way and are closed. */
  async exchange(next: House): Promise<void> {
    const before = this.#partitions.backends
    this.#partitions = next
    if (this.#watching) for (const backend of next.backends) this.#watch(backend)
    const gone = before.filter((backend) => !next.backends.includes(backend))
    await Promise.all(
      gone.map(async (backend) => {
        await this.#watches.get(backend)?.()
        this.#watches.delete(backend)
        await backend.close()
      }),
    )
  }

  async close(): Promise<void> {
    await this.stopWatching()
    await Promise.all(this.#partitions.backends.map((backend) => backend.close()))
  }

  async #connectAll(): Promise<void> {
    const { backends, default: first } = this.#partitions
    const tries = backends.map((backend) => this.#connect(backend))
    const all = Promise.all(tries)
    const connected = Promise.any(tries.map(async (one) => (await one) || Promise.reject()))
    const enough = connected.then(
      () => pause(graceMs, undefined, { ref: false }),
      () => undefined,
    )
    await Promise.race([all, enough])
    if (this.#partitions.connected().length > 0) return
    throw first.fault
  }

  /** Never throws; false when it failed, which is said. */
  async #connect(backend: ConnectingBackend): Promise<boolean> {
    const { log } = this.#options
    try {
      const { hsm } = await backend.connect()
      for (const warning of findDeviceWarnings(hsm.profile, hsm.capabilities)) {
        log.warn({ device: hsm.description, backend: backend.name }, warning)
      }
      return true
    } catch (thrown) {
      const error: DomainError = toDomainError(thrown)
      log.error({ error, backend: backend.name }, 'the HSM cannot be connected')
      return false
    }
  }

  #watch(backend: ConnectingBackend): void {
    if (this.#watches.has(backend)) return
    this.#watches.set(backend, startRecheckTimer({ ...this.#options, backend }))
  }
}
