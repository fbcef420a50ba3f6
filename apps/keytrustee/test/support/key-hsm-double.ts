/**
 * A Key HSM in memory for tests of the Trustee Server's own behaviour: real AES-GCM bound to the context, one key a
 * deposit, and faults on order. Tests of the whole product run the real one.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { HsmKeyEntry, KeyHsmClient, PartitionDescription } from '@keyhsm/client'
import { DomainError, type Fingerprint, irretrievable, toDomainError } from '@keyhsm/core'

type Calls = Pick<KeyHsmClient, 'seal' | 'seals' | 'open' | 'revoke' | 'listHsmKeys' | 'describe'>
type SealsReply = Awaited<ReturnType<Calls['seals']>>
type Verb = 'seal' | 'open' | 'revoke'

interface Key {
  readonly entry: HsmKeyEntry
  readonly secret: Buffer
}

export const canary = 'ca'.repeat(32) as Fingerprint

export class KeyHsmDouble implements Calls {
  readonly keys = new Map<string, Key>()
  readonly calls: { readonly verb: Verb; readonly requestId: string; readonly reason?: string }[] =
    []
  /** Its setting. */
  scope: 'deposit' | 'service' = 'deposit'
  /** As one of an earlier release. */
  sealsOneAtATime = false
  /** What it makes of its answers to a call for several. */
  answered: (results: SealsReply) => SealsReply = (results) => results
  /** How many deposits came in each call for several. */
  readonly sealedAtOnce: number[] = []
  /** The HSMs behind it, of which the first holds the keys. */
  readonly backends: { readonly name: string; readonly canary?: string }[] = [
    { name: 'default', canary },
  ]
  /** What came with each seal and each open. */
  readonly trustees: (Parameters<Calls['seal']>[0]['trustees'] | undefined)[] = []
  readonly approvals: (Parameters<Calls['open']>[0]['approval'] | undefined)[] = []
  /** Called before each verb; what it throws is the answer. */
  before: (verb: Verb, count: number) => void | Promise<void> = () => undefined

  async seal(request: Parameters<Calls['seal']>[0]) {
    await this.#enter('seal', request)
    this.trustees.push(request.trustees)
    const id = randomBytes(16).toString('hex')
    const label = `${request.context.handle}-3T17-YYdn-2015-07-23`
    const scope = request.scope ?? this.scope
    const entry = { id, label, kind: 'aes-256', purpose: scope, createdOn: '2015-07-23' } as const
    const secret = randomBytes(32)
    this.keys.set(id, { entry, secret })
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', secret, nonce)
    cipher.setAAD(Buffer.from(JSON.stringify(request.context)))
    const body = Buffer.concat([cipher.update(request.content), cipher.final()])
    const sealed = Buffer.concat([Buffer.from(id, 'hex'), nonce, cipher.getAuthTag(), body])
    const kind = 'aes-256' as const
    const newKey = scope === 'deposit'
    return { sealed, hsmKeyId: id, hsmKeyLabel: label, scope, kind, newKey }
  }

  async seals({ deposits, ...shared }: Parameters<Calls['seals']>[0]) {
    this.sealedAtOnce.push(deposits.length)
    if (this.sealsOneAtATime) throw unknownPath(deposits)
    const results: SealsReply[number][] = []
    for (const one of deposits)
      results.push(await this.seal({ ...shared, ...one }).catch(toDomainError))
    return this.answered(results)
  }

  async open(request: Parameters<Calls['open']>[0]): Promise<Buffer> {
    await this.#enter('open', request)
    this.approvals.push(request.approval)
    return this.#open(request)
  }

  #open(request: Pick<Parameters<Calls['open']>[0], 'sealed' | 'context'>): Buffer {
    const sealed = Buffer.from(request.sealed)
    const key = this.keys.get(sealed.subarray(0, 16).toString('hex'))
    if (!key) throw irretrievable()
    try {
      const decipher = createDecipheriv('aes-256-gcm', key.secret, sealed.subarray(16, 28))
      decipher.setAAD(Buffer.from(JSON.stringify(request.context)))
      decipher.setAuthTag(sealed.subarray(28, 44))
      return Buffer.concat([decipher.update(sealed.subarray(44)), decipher.final()])
    } catch (cause) {
      throw irretrievable(cause)
    }
  }

  async revoke(request: Parameters<Calls['revoke']>[0]): Promise<'destroyed' | 'already-gone'> {
    await this.#enter('revoke', request)
    if (request.reason === 'purge' || request.reason === 'migrate') this.#requireProof(request)
    return this.keys.delete(request.hsmKeyId) ? 'destroyed' : 'already-gone'
  }

  /** As the real one: `purge` shows what opens under this key, or would if it were there; `migrate` what opens under another. */
  #requireProof({ reason, hsmKeyId, proof }: Parameters<Calls['revoke']>[0]): void {
    const id = Buffer.from(proof?.sealed.subarray(0, 16) ?? []).toString('hex')
    if (reason === 'purge' && id === hsmKeyId && !this.keys.has(id)) return
    try {
      if (proof) this.#open(proof)
      if (proof && (id === hsmKeyId) === (reason === 'purge')) return
    } catch (cause) {
      throw new DomainError('ERR_NOT_ALLOWED', 'not shown', { cause })
    }
    throw new DomainError('ERR_NOT_ALLOWED', 'not shown')
  }

  describe(): Promise<PartitionDescription> {
    return Promise.resolve({ backends: this.backends } as unknown as PartitionDescription)
  }

  async *listHsmKeys(_pageSize?: number, which?: string): AsyncGenerator<HsmKeyEntry> {
    if (which !== undefined && which !== canary) return
    const ids = [...this.keys.keys()].sort()
    for (const id of ids) {
      const key = this.keys.get(id)
      if (key) yield key.entry
    }
  }

  count(verb: Verb): number {
    return this.calls.filter((call) => call.verb === verb).length
  }

  async #enter(
    verb: Verb,
    request: { readonly requestId: string; readonly canary: string; readonly reason?: string },
  ): Promise<void> {
    this.calls.push({
      verb,
      requestId: request.requestId,
      ...(request.reason ? { reason: request.reason } : {}),
    })
    if (request.canary !== canary)
      throw new DomainError('ERR_WRONG_PARTITION', 'unavailable: wrong partition')
    await this.before(verb, this.count(verb))
  }
}

/** The body is read before the path is looked up, and is bounded there. */
function unknownPath(deposits: Parameters<Calls['seals']>[0]['deposits']): DomainError {
  const bytes = deposits.reduce((sum, { content }) => sum + Math.ceil(content.length / 3) * 4, 0)
  return bytes > 1024 * 1024
    ? new DomainError('ERR_TOO_LARGE', 'the body is longer than this request allows')
    : new DomainError('ERR_NOT_FOUND', 'there is nothing at this path')
}
