/**
 * The HSMs of one Key HSM, as operations ask for them: by the canary that a caller joined, by name, or the default one. A
 * reload puts another of these in its place.
 */
import { DomainError, type Fingerprint } from '@keyhsm/core'
import type { BackendDescription } from '../backend-configuration.js'
import type { BackendHealth, Partition } from './partition.js'

/** One HSM: connected, or waiting until it can be. */
export interface Backend {
  readonly name: string
  readonly device: Pick<BackendDescription['device'], 'hardware'>
  /** The domain that its setup recorded. */
  readonly domain: string | undefined
  /** Undefined while it could not be connected; the same object ever after. */
  readonly partition: Partition | undefined
  /** Asks the device; never throws. */
  health(deadlineMs: number): Promise<BackendHealth>
}

export class Partitions<Kept extends Backend = Backend> {
  readonly backends: readonly Kept[]
  /** New deposits go here unless a caller names another. */
  readonly default: Kept

  /** @throws TypeError when no backend has the name. */
  constructor(backends: readonly Kept[], defaultName: string) {
    const found = backends.find(({ name }) => name === defaultName)
    if (!found) throw new TypeError(`no backend is called ${defaultName}`)
    this.backends = backends
    this.default = found
  }

  /** @throws ERR_NOT_FOUND when no backend has the name. */
  find(name: string = this.default.name): Kept {
    const found = this.backends.find((one) => one.name === name)
    if (found) return found
    throw noSuchBackend(name, this.backends)
  }

  /** @throws ERR_NOT_FOUND as {@link find}; ERR_HSM_UNAVAILABLE when it is not connected yet. */
  named(name?: string): Partition {
    const { partition, name: known } = this.find(name)
    if (partition) return partition
    throw new DomainError('ERR_HSM_UNAVAILABLE', `the backend ${known} is not connected`)
  }

  /**
   * The partition that a caller joined, before any HSM is touched.
   * @throws ERR_WRONG_PARTITION, which a Trustee Server reports as unavailable, never as irretrievable;
   * ERR_HSM_UNAVAILABLE when it may be one that is not connected yet.
   */
  requireCanary(joined: Fingerprint): Partition {
    for (const { partition } of this.backends) {
      if (partition?.keys.canaryFingerprint === joined) {
        partition.requireVisible()
        return partition
      }
    }
    const waiting = this.backends.filter(({ partition }) => !partition).map(({ name }) => name)
    if (waiting.length === 0) {
      throw new DomainError('ERR_WRONG_PARTITION', 'wrong partition: the canary key is another one')
    }
    const detail = `no connected HSM shows this canary key; not connected: ${waiting.join(', ')}`
    throw new DomainError('ERR_HSM_UNAVAILABLE', detail, { retryAfterMs: 5000 })
  }

  /** Each backend with its partition, of those that are connected. */
  connected(): { readonly backend: Kept; readonly partition: Partition }[] {
    return this.backends.flatMap((backend) => {
      const { partition } = backend
      return partition ? [{ backend, partition }] : []
    })
  }
}

/** The error for a name that no backend has. */
export function noSuchBackend(name: string, backends: readonly { readonly name: string }[]) {
  return new DomainError('ERR_NOT_FOUND', `there is no backend ${name}`, {
    hints: [`the backends are ${backends.map((one) => one.name).join(', ')}`],
  })
}
