/**
 * The `Hsm` of a PKCS#11 library: checks arguments, does the software half of wrapping, and asks the host process for
 * everything that needs the device.
 */
import { createHash } from 'node:crypto'
import { DomainError, type HsmKeyId, SecretBytes } from '@keyhsm/core'
import {
  type CallOptions,
  checkContentKey,
  checkKeySpec,
  checkLabel,
  type DeviceMemory,
  finishEciesUnwrap,
  type Hsm,
  type HsmCapabilities,
  type HsmHealth,
  type HsmKey,
  type KeyKind,
  type KeySpec,
  padSharedSecret,
  parseEciesWrapped,
  type ProvingHsm,
  type RenamingHsm,
  secretKeyFingerprint,
  spkiFingerprint,
  type ToWrap,
  type WrappedKey,
  type WrappingKind,
  wrapAndUnwrap,
  wrapInSoftware,
} from '@keyhsm/hsm'
import { KnownKeys } from './known-keys.js'
import type { TokenFacts } from './messages.js'
import type { KeyFacts, Verb, Verbs } from './verbs.js'
import type { CallLimits, Pkcs11Profile } from './profile.js'
import type { Supervisor } from './service/supervisor.js'
import { checkWrappedBytes } from './wrapped-lengths.js'

export interface Pkcs11HsmParts {
  readonly supervisor: Supervisor
  readonly profile: Pkcs11Profile
  readonly token: TokenFacts
  readonly capabilities: HsmCapabilities
  readonly library: string
  readonly workers: number
  readonly wrap: 'device' | 'software'
}

/** An {@link Hsm} whose library runs in a process of its own. */
export class Pkcs11Hsm implements Hsm, RenamingHsm, ProvingHsm {
  readonly profile: string
  readonly description: string
  readonly capabilities: HsmCapabilities
  readonly #parts: Pkcs11HsmParts
  readonly #known = new KnownKeys()
  #recheckTimer: NodeJS.Timeout | undefined

  constructor(parts: Pkcs11HsmParts, recheckMs: number | undefined) {
    const { manufacturer, model, label, serial } = parts.token
    this.#parts = parts
    this.profile = parts.profile.name
    this.description = `${manufacturer} ${model}, token "${label}", serial number ${serial}`
    this.capabilities = parts.capabilities
    if (recheckMs !== undefined) {
      this.#recheckTimer = setInterval(() => void this.recheck().catch(() => undefined), recheckMs)
      this.#recheckTimer.unref()
    }
  }

  /** The host's process id while there is one: for the operator, and for tests that kill it. */
  get hostProcessId(): number | undefined {
    return this.#parts.supervisor.hostProcessId
  }

  /** @see ChangesPin */
  changePin(pin: SecretBytes): boolean {
    return this.#parts.supervisor.changePin(pin)
  }

  async createKey(spec: KeySpec, options?: CallOptions): Promise<HsmKey> {
    const { id, label, kind, use, renamable = false } = checkKeySpec(spec)
    const verb = options?.background ? 'createInBackground' : 'create'
    return this.#toKey(await this.#ask(verb, { id, label, kind, use, renamable }, options))
  }

  async renameKey(id: HsmKeyId, label: string, options?: CallOptions): Promise<HsmKey> {
    checkLabel(label)
    if (!this.#parts.profile.renames) {
      throw new DomainError('ERR_HSM_NOT_SUPPORTED', 'this HSM does not rename keys')
    }
    return this.#toKey(await this.#ask('rename', { id, label }, options))
  }

  async findKey(id: HsmKeyId, options?: CallOptions): Promise<HsmKey | undefined> {
    const facts = await this.#ask('find', { id }, options)
    return facts && this.#toKey(facts)
  }

  async listKeys(options?: CallOptions): Promise<readonly HsmKey[]> {
    const listed = await this.#ask('list', undefined, options)
    return listed.map((facts) => this.#toKey(facts))
  }

  async wrapKey(
    id: HsmKeyId,
    contentKey: SecretBytes,
    binding: Buffer,
    options?: CallOptions,
  ): Promise<WrappedKey> {
    checkContentKey(contentKey)
    const known = this.#known.kindOf(id)
    if (known && !this.#wrapsInSoftware(known)) {
      return await this.#wrapInDevice('wrap', { id, contentKey, binding }, options)
    }
    // Proved anew each time: a wrap under a public key whose private half is gone could never be opened.
    const facts = await this.#ask('prove', { id }, options)
    this.#known.keep(facts)
    if (!this.#wrapsInSoftware(facts.kind)) {
      return await this.#wrapInDevice('wrap', { id, contentKey, binding }, options)
    }
    const algorithm = this.capabilities.wrapAlgorithms[facts.kind as WrappingKind]
    if (facts.use !== 'wrap' || !facts.publicKey || !algorithm) throw mayNotWrap()
    const publicKey = this.#known.publicKey({ id, kind: facts.kind, publicKey: facts.publicKey })
    return wrapInSoftware(publicKey, algorithm, contentKey, binding)
  }

  /** @see ProvingHsm */
  async wrapProvedKey(
    id: HsmKeyId,
    contentKey: SecretBytes,
    binding: Buffer,
    options?: CallOptions,
  ): Promise<WrappedKey> {
    checkContentKey(contentKey)
    const kind = this.#known.kindOf(id)
    const what = { id, contentKey, binding }
    return kind === undefined || this.#wrapsInSoftware(kind)
      ? await wrapAndUnwrap(this, what, options)
      : await this.#wrapInDevice('wrapProved', what, options)
  }

  async unwrapKey(
    id: HsmKeyId,
    wrapped: WrappedKey,
    binding: Buffer,
    options?: CallOptions,
  ): Promise<SecretBytes> {
    const { algorithm, bytes } = wrapped
    checkWrappedBytes(algorithm, bytes)
    if (algorithm === 'ecies-p256-hkdf-sha256-aes-256-gcm') {
      return await this.#unwrapEcies(id, bytes, binding, options)
    }
    return SecretBytes.own(await this.#ask('unwrap', { id, algorithm, bytes, binding }, options))
  }

  async authenticate(id: HsmKeyId, message: Buffer, options?: CallOptions): Promise<SecretBytes> {
    return SecretBytes.own(await this.#ask('authenticate', { id, message }, options))
  }

  async sign(id: HsmKeyId, message: Buffer, options?: CallOptions): Promise<Buffer> {
    const digest = createHash('sha256').update(message).digest()
    return await this.#ask('sign', { id, digest }, options)
  }

  async destroyKey(id: HsmKeyId, options?: CallOptions): Promise<'destroyed' | 'already-gone'> {
    this.#known.forget(id)
    return await this.#ask('destroy', { id }, options)
  }

  async recheck(options?: CallOptions): Promise<void> {
    await this.#ask('recheck', undefined, options)
  }

  async probe(options?: CallOptions): Promise<HsmHealth> {
    const startedAt = performance.now()
    try {
      const { keys, memory } = await this.#ask('probe', undefined, options)
      const line = `${this.description}, library ${this.#parts.library}`
      return this.#health('ready', line, { keys, memory, startedAt })
    } catch (error) {
      const { state, trouble } = this.#parts.supervisor
      const detail = trouble || (error instanceof Error ? error.message : 'unknown trouble')
      const line = `${this.description}, library ${this.#parts.library}: ${detail}`
      return this.#health(state === 'latched' ? 'login-refused' : 'unavailable', line)
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#recheckTimer)
    await this.#parts.supervisor.close()
  }

  async #unwrapEcies(
    id: HsmKeyId,
    bytes: Buffer,
    binding: Buffer,
    options?: CallOptions,
  ): Promise<SecretBytes> {
    const wrapped = parseEciesWrapped(bytes)
    const { shared: raw, publicKey } = await this.#ask(
      'derive',
      { id, point: wrapped.ephemeralPoint },
      options,
    )
    const shared = padSharedSecret(raw)
    try {
      const recipient = this.#known.publicKey({ id, kind: 'ec-p256', publicKey })
      return finishEciesUnwrap(recipient, shared, wrapped, binding)
    } finally {
      shared.wipe()
    }
  }

  async #wrapInDevice(
    verb: 'wrap' | 'wrapProved',
    { id, contentKey: secret, binding }: ToWrap,
    options?: CallOptions,
  ): Promise<WrappedKey> {
    const contentKey = secret.expose((bytes) => Buffer.from(bytes))
    try {
      return await this.#ask(verb, { id, contentKey, binding }, options)
    } finally {
      contentKey.fill(0)
    }
  }

  #wrapsInSoftware(kind: KeyKind): boolean {
    if (kind === 'ec-p256') return true
    return this.#parts.wrap === 'software' && kind.startsWith('rsa-')
  }

  #toKey(facts: KeyFacts): HsmKey {
    const { id, label, kind, use, publicKey } = facts
    this.#known.keep(facts)
    const fingerprint = publicKey ? spkiFingerprint(publicKey) : secretKeyFingerprint(id)
    return { id, label, kind, use, publicKey, fingerprint }
  }

  #ask<Name extends Verb>(
    verb: Name,
    args: Verbs[Name]['args'],
    options: CallOptions = {},
  ): Promise<Verbs[Name]['result']> {
    const { supervisor, profile } = this.#parts
    const deadlineMs = options.deadlineMs ?? profile.limits[limitOfVerb[verb]]
    return supervisor.call(verb, args, deadlineMs, options)
  }

  #health(
    state: HsmHealth['state'],
    detail: string,
    answered?: { keys: number; memory: DeviceMemory | undefined; startedAt: number },
  ): HsmHealth {
    const { workers, profile, supervisor } = this.#parts
    return {
      state,
      breaker: supervisor.breaker,
      roundTripMs: answered && performance.now() - answered.startedAt,
      detail,
      // One session a worker, and the anchor that holds the login.
      sessions: answered ? workers + 1 : 0,
      keys: answered?.keys,
      keyLimit: profile.keyLimit,
      ...(profile.pairLimit === undefined ? {} : { pairLimit: profile.pairLimit }),
      ...(answered?.memory ? { memory: answered.memory } : {}),
    }
  }
}

/** Which of the profile's limits is the deadline of a call that names none. */
const limitOfVerb: Readonly<Record<Verb, keyof CallLimits>> = {
  create: 'writeMs',
  createInBackground: 'writeMs',
  rename: 'writeMs',
  find: 'lookMs',
  list: 'listMs',
  prove: 'lookMs',
  wrap: 'lookMs',
  wrapProved: 'lookMs',
  unwrap: 'lookMs',
  derive: 'lookMs',
  authenticate: 'lookMs',
  sign: 'lookMs',
  destroy: 'writeMs',
  recheck: 'listMs',
  probe: 'useMs',
}

function mayNotWrap(): DomainError {
  return new DomainError('ERR_HSM_REFUSED', 'this HSM key may not wrap')
}
