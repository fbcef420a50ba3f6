/** The `Hsm` of a KeySecure or CipherTrust Manager: checks arguments and time limits, and leaves the rest to the verbs. */
import { DomainError, type Fingerprint, type HsmKeyId, SecretBytes } from '@keyhsm/core'
import {
  type CallOptions,
  checkContentKey,
  checkKeySpec,
  type Hsm,
  type HsmCapabilities,
  type HsmHealth,
  type HsmKey,
  type KeySpec,
  type KeyUse,
  parseWrapPublicKey,
  type StillWanted,
  type WrappedKey,
  type WrappingKind,
  withinLimits,
  wrapInSoftware,
} from '@keyhsm/hsm'
import { askCommon } from './connection/ask-common.js'
import type { LoginGate } from './connection/login-gate.js'
import type { TrustInUse } from './connection/trust-in-use.js'
import { toPublicError } from './failure.js'
import { randGenRequest } from './messages/crypto.js'
import { authenticateInDevice } from './verbs/authenticate.js'
import { createInDevice } from './verbs/create-key.js'
import { destroyInDevice } from './verbs/destroy-key.js'
import { type Device, mayNot, type Use } from './verbs/device.js'
import { signInDevice } from './verbs/sign.js'
import { isNaeAlgorithm, unwrapInDevice, wrapInDevice } from './verbs/wrap-key.js'

export interface NaeHsmParts {
  readonly device: Device
  readonly gate: LoginGate
  readonly trust: TrustInUse
  readonly description: string
  readonly capabilities: HsmCapabilities
  readonly wrap: 'device' | 'software'
}

/** An {@link Hsm} behind NAE-XML. */
export class NaeHsm implements Hsm {
  readonly profile = 'keysecure'
  readonly description: string
  readonly capabilities: HsmCapabilities
  readonly #parts: NaeHsmParts
  #closed = false
  #keys: number | undefined

  constructor(parts: NaeHsmParts) {
    this.#parts = parts
    this.description = parts.description
    this.capabilities = parts.capabilities
  }

  /** @see ChangesPin */
  changePin(pin: SecretBytes): boolean {
    return !this.#closed && this.#parts.gate.changePassword(pin)
  }

  /** @see ChangesTrust */
  changeTrust(pinned: readonly Fingerprint[]): boolean {
    if (this.#closed || !this.#parts.trust.change(pinned)) return false
    this.#parts.device.cluster.renew()
    return true
  }

  async createKey(spec: KeySpec, options?: CallOptions): Promise<HsmKey> {
    const { id, label, kind, use } = checkKeySpec(spec)
    const asked = { id, label, kind, use }
    if (!this.#makes(asked)) {
      throw new DomainError(
        'ERR_HSM_NOT_SUPPORTED',
        `the HSM has no key of kind ${kind} that ${use}s`,
      )
    }
    const limitMs = this.#parts.device.timers.keyGenMs
    return await this.#within(options, limitMs, (stillWanted) =>
      createInDevice(this.#parts.device, asked, stillWanted),
    )
  }

  async findKey(id: HsmKeyId, options?: CallOptions): Promise<HsmKey | undefined> {
    return await this.#ask(options, async () => {
      return (await this.#parts.device.directory.find(id))?.key
    })
  }

  async listKeys(options?: CallOptions): Promise<readonly HsmKey[]> {
    const { directory, timers } = this.#parts.device
    const keys = await this.#within(options, timers.keyGenMs, () => directory.list())
    this.#keys = keys.length
    return keys
  }

  async wrapKey(
    id: HsmKeyId,
    contentKey: SecretBytes,
    binding: Buffer,
    options?: CallOptions,
  ): Promise<WrappedKey> {
    checkContentKey(contentKey)
    const { device, wrap } = this.#parts
    return await this.#ask(options, async (stillWanted) => {
      const { key } = await device.directory.need(id)
      if (key.use !== 'wrap') throw mayNot('wrap')
      const algorithm = this.capabilities.wrapAlgorithms[key.kind as WrappingKind]
      if (!algorithm || !isNaeAlgorithm(algorithm)) throw notSupported()
      if (wrap === 'software' && key.publicKey) {
        const publicKey = parseWrapPublicKey(id, key.publicKey)
        return wrapInSoftware(publicKey, algorithm, contentKey, binding)
      }
      const use = { id, use: 'wrap', stillWanted } as const
      return await wrapInDevice(device, use, algorithm, { contentKey, binding })
    })
  }

  async unwrapKey(
    id: HsmKeyId,
    wrapped: WrappedKey,
    binding: Buffer,
    options?: CallOptions,
  ): Promise<SecretBytes> {
    return await this.#use(id, 'wrap', options, (device, use) =>
      unwrapInDevice(device, use, wrapped, binding),
    )
  }

  async authenticate(id: HsmKeyId, message: Buffer, options?: CallOptions): Promise<SecretBytes> {
    return await this.#use(id, 'authenticate', options, (device, use) =>
      authenticateInDevice(device, use, message),
    )
  }

  async sign(id: HsmKeyId, message: Buffer, options?: CallOptions): Promise<Buffer> {
    return await this.#use(id, 'sign', options, (device, use) => signInDevice(device, use, message))
  }

  async destroyKey(id: HsmKeyId, options?: CallOptions): Promise<'destroyed' | 'already-gone'> {
    return await this.#ask(options, (stillWanted) =>
      destroyInDevice(this.#parts.device, id, stillWanted),
    )
  }

  async recheck(options?: CallOptions): Promise<void> {
    const { directory, timers } = this.#parts.device
    this.#keys = await this.#within(options, timers.keyGenMs, () => directory.recheck())
  }

  async probe(options?: CallOptions): Promise<HsmHealth> {
    const { device, gate } = this.#parts
    const startedAt = performance.now()
    try {
      await this.#ask(options, () =>
        device.cluster.run({ kind: 'read-first' }, (link) =>
          askCommon(link, randGenRequest(device.dialect, 1), device.timers.readMs),
        ),
      )
      const roundTripMs = performance.now() - startedAt
      return this.#health('ready', this.#troubles() || this.description, roundTripMs)
    } catch (error) {
      const detail = error instanceof Error ? error.message : 'unknown trouble'
      const state = gate.refused ? 'login-refused' : 'unavailable'
      return this.#health(state, `${this.description}: ${this.#troubles() || detail}`)
    }
  }

  close(): Promise<void> {
    this.#closed = true
    this.#parts.device.cluster.close()
    this.#parts.gate.wipe()
    return Promise.resolve()
  }

  async #use<Result>(
    id: HsmKeyId,
    use: KeyUse,
    options: CallOptions | undefined,
    work: (device: Device, use: Use) => Promise<Result>,
  ): Promise<Result> {
    return await this.#ask(options, (stillWanted) =>
      work(this.#parts.device, { id, use, stillWanted }),
    )
  }

  #ask<Result>(
    options: CallOptions | undefined,
    work: (stillWanted: StillWanted) => Promise<Result>,
  ): Promise<Result> {
    const { connectMs, readMs } = this.#parts.device.timers
    return this.#within(options, connectMs + 2 * readMs, work)
  }

  /** Runs `work` in the caller's time; every failure leaves as an error of ours. */
  async #within<Result>(
    options: CallOptions | undefined,
    defaultMs: number,
    work: (stillWanted: StillWanted) => Promise<Result>,
  ): Promise<Result> {
    const limits = { deadlineMs: defaultMs, ...options }
    try {
      return await withinLimits(
        limits,
        async (stillWanted) => {
          this.#ensureOpen()
          return await work(stillWanted)
        },
        wipeLate,
      )
    } catch (error) {
      throw toPublicError(error)
    }
  }

  #ensureOpen(): void {
    if (this.#closed) throw new DomainError('ERR_HSM_UNAVAILABLE', 'the connection is closed')
    if (this.#parts.gate.refused) throw this.#parts.gate.refused
  }

  #makes({ kind, use }: KeySpec): boolean {
    if (!this.capabilities.kinds.includes(kind)) return false
    return use !== 'wrap' || this.capabilities.wrapAlgorithms[kind as WrappingKind] !== undefined
  }

  /** Nodes that do not answer, one line. */
  #troubles(): string {
    const failed = this.#parts.device.cluster.members.filter(({ trouble }) => trouble !== '')
    return failed.map(({ trouble }) => trouble).join('; ')
  }

  #health(state: HsmHealth['state'], detail: string, roundTripMs?: number): HsmHealth {
    return {
      state,
      roundTripMs,
      detail,
      sessions: this.#parts.device.cluster.links,
      keys: this.#keys,
      keyLimit: undefined,
    }
  }
}

function wipeLate(late: unknown): void {
  if (late instanceof SecretBytes) late.wipe()
}

function notSupported(): DomainError {
  return new DomainError('ERR_HSM_NOT_SUPPORTED', 'the HSM does not wrap under keys of this kind')
}
