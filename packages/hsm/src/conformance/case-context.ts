/** What one case works with: a connection, keys that are removed afterwards, and checks that also look for leaks. */
import { randomBytes } from 'node:crypto'
import { type DomainError, type ErrorCode, type HsmKeyId, SecretBytes } from '@keyhsm/core'
import type { Hsm, HsmKey, KeySpec, KeyUse, WrappedKey } from '../hsm.js'
import { type KeyKind, type WrappingKind, wrappingKinds } from '../kinds.js'
import { ensure, ensureSameSecret, rejection, within } from './failure.js'
import type { HsmUnderTest } from './hsm-under-test.js'
import { slowness } from './machine-pace.js'
import { leaks, spellingsOf } from './secret-leaks.js'

/** Starts every content key of the suite, so that one in an error can be recognised. */
const mark = 'MARKED-SECRET-16'
const defaultRecoveryMs = 5000
const defaultGraceMs = 1000
/** A check that has not answered by then hangs. */
const answerMs = 10_000

/** One token under test as its cases see it. */
export class CaseContext {
  readonly underTest: HsmUnderTest
  readonly #spellings: readonly string[]
  readonly #created = new Set<HsmKeyId>()
  readonly #shared = new Map<string, HsmKey>()
  readonly #second: Hsm[] = []
  #hsm: Hsm

  constructor(underTest: HsmUnderTest, hsm: Hsm) {
    this.underTest = underTest
    this.#hsm = hsm
    const secrets = [mark, ...underTest.secrets]
    this.#spellings = secrets.flatMap((secret) => spellingsOf(Buffer.from(secret)))
  }

  /** The connection. Not to be kept across {@link reconnect}. */
  get hsm(): Hsm {
    return this.#hsm
  }

  /** As the machine is now. */
  get recoveryMs(): number {
    return (this.underTest.recoveryMs ?? defaultRecoveryMs) * slowness()
  }

  /** As the machine is now. */
  get graceMs(): number {
    return (this.underTest.graceMs ?? defaultGraceMs) * slowness()
  }

  /** The cheapest wrapping kind that is tried here. */
  get anyKind(): WrappingKind {
    const [kind] = this.kinds
    ensure(kind !== undefined, 'no wrapping kind is supported')
    return kind
  }

  /** The wrapping kinds that are tried here. (Where a device gives no raw ECDH, EC keys only sign.) */
  get kinds(): readonly WrappingKind[] {
    const skipped = this.underTest.skip?.kinds ?? {}
    const { kinds, wrapAlgorithms } = this.#hsm.capabilities
    return kinds
      .filter((kind) => wrappingKinds.some((name) => name === kind))
      .map((kind) => kind as WrappingKind)
      .filter((kind) => wrapAlgorithms[kind] !== undefined && skipped[kind] === undefined)
  }

  /** A specification with a fresh id; the key is removed after the case when it exists then. */
  newSpec(kind: KeyKind, use: KeyUse = 'wrap'): KeySpec {
    const id = randomBytes(16).toString('hex') as HsmKeyId
    this.#created.add(id)
    return { id, label: `conformance-${id.slice(0, 8)}-2016-06-03`, kind, use }
  }

  createKey(kind: KeyKind, use: KeyUse = 'wrap'): Promise<HsmKey> {
    return this.#hsm.createKey(this.newSpec(kind, use))
  }

  /** A key that several cases use and none destroys: making an RSA key costs more than a case. */
  async sharedKey(kind: KeyKind, use: KeyUse = 'wrap', which = 'first'): Promise<HsmKey> {
    const name = `${kind} ${use} ${which}`
    const known = this.#shared.get(name)
    if (known) return known
    const spec = this.newSpec(kind, use)
    this.#created.delete(spec.id)
    const key = await this.#hsm.createKey(spec)
    this.#shared.set(name, key)
    return key
  }

  /** A fresh content key that can be recognised in a text. */
  contentKey(): SecretBytes {
    return SecretBytes.own(Buffer.concat([Buffer.from(mark), randomBytes(32 - mark.length)]))
  }

  /** Closes the connection and opens another. */
  async reconnect(): Promise<Hsm> {
    await this.#hsm.close()
    this.#hsm = await this.underTest.connect()
    return this.#hsm
  }

  /** A connection beside the first, closed after the case. */
  async connectSecond(): Promise<Hsm> {
    ensure(this.underTest.connectSecond !== undefined, 'no second connection')
    const second = await this.underTest.connectSecond()
    this.#second.push(second)
    return second
  }

  /** Like `rejection`, and the error leaks nothing. */
  async expectError(
    call: Promise<unknown>,
    code: ErrorCode | readonly ErrorCode[],
    what: string,
  ): Promise<DomainError> {
    const codes = typeof code === 'string' ? [code] : code
    const error = await rejection(call, codes, what)
    this.ensureNoSecret(error, `the error of "${what}"`)
    return error
  }

  /** @throws ConformanceFailure when a secret of this run can be read in `value`. It is not repeated in the failure. */
  ensureNoSecret(value: unknown, what: string): void {
    ensure(!leaks(value, this.#spellings), `${what} holds a secret`)
  }

  /** Wraps a fresh content key and proves that it opens. */
  async wrapped(key: HsmKey, binding: Buffer, hsm: Hsm = this.#hsm) {
    const contentKey = this.contentKey()
    const wrapped = await hsm.wrapKey(key.id, contentKey, binding)
    const entry = { key, contentKey, wrapped, binding }
    await this.ensureOpens(entry, hsm)
    return entry
  }

  /** @throws ConformanceFailure when the entry opens to another key; the backend's error when it does not open. */
  async ensureOpens(entry: WrappedEntry, hsm: Hsm = this.#hsm): Promise<void> {
    const opened = await hsm.unwrapKey(entry.key.id, entry.wrapped, entry.binding)
    ensureSameSecret(opened, entry.contentKey, `unwrap by ${entry.key.kind}`)
    opened.wipe()
  }

  /**
   * Repeats `check` until it holds. How long one takes is the machine's matter, so one that began before `limitMs` is not the
   * last. @throws the failure of a check that began later
   */
  async eventually(limitMs: number, check: () => Promise<void>): Promise<void> {
    const endsAt = performance.now() + limitMs
    for (;;) {
      const began = performance.now()
      try {
        return await within(Math.max(limitMs, answerMs), check(), 'a check')
      } catch (error) {
        if (began >= endsAt) throw error
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
    }
  }

  /** After a case: removes its keys, closes its connections, and connects again when the case lost the first. */
  async tidy(): Promise<void> {
    for (const second of this.#second.splice(0)) await second.close()
    const health = await within(this.recoveryMs, this.#hsm.probe(), 'probe').catch(() => undefined)
    if (health?.state !== 'ready') await this.reconnect()
    const created = [...this.#created]
    this.#created.clear()
    // At once: most of them are gone already, which a backend says after a pause.
    const left = await Promise.all(created.map((id) => this.#destroys(id)))
    for (const id of left) if (id !== undefined) await this.underTest.removeOutside?.(id)
  }

  /** The id when the backend does not destroy its key. */
  async #destroys(id: HsmKeyId): Promise<HsmKeyId | undefined> {
    return await this.#hsm.destroyKey(id).then(
      () => undefined,
      () => id,
    )
  }

  /** After the last case. */
  async close(): Promise<void> {
    try {
      for (const key of this.#shared.values()) {
        await this.#hsm.destroyKey(key.id).catch(() => undefined)
      }
      await this.#hsm.close()
    } finally {
      await this.underTest.dispose?.()
    }
  }
}

/** A wrapped content key with what is needed to open and to check it. */
export interface WrappedEntry {
  readonly key: HsmKey
  readonly contentKey: SecretBytes
  readonly wrapped: WrappedKey
  readonly binding: Buffer
}
