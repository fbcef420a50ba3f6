/** What a Trustee Server asks of Key HSM, in bytes instead of base64. */
import type { DomainError } from '@keyhsm/core'
import {
  type BodyOf,
  decodeBase64,
  describeRoute,
  encodeBase64,
  exchangeHeadsRoute,
  fromProblem,
  listHsmKeysRoute,
  moveRoute,
  openRoute,
  type ReplyOf,
  revokeRoute,
  sealRoute,
  sealsRoute,
} from '@keyhsm/protocol'
import { noRetry, type RetryPolicy, withRetry } from './retry.js'
import type { Transport } from './transport/transport.js'

type SealBody = BodyOf<typeof sealRoute>
type SealReply = ReplyOf<typeof sealRoute>
type RevokeBody = BodyOf<typeof revokeRoute>

export interface SealRequest extends Omit<SealBody, 'content'> {
  /** Read while the call runs, never changed. */
  readonly content: Uint8Array
}

export interface OpenRequest extends Omit<BodyOf<typeof openRoute>, 'sealed'> {
  readonly sealed: Uint8Array
}

type SealsBody = BodyOf<typeof sealsRoute>

export interface SealsRequest extends Omit<SealsBody, 'deposits'> {
  readonly deposits: readonly (Omit<SealsBody['deposits'][number], 'content'> & {
    /** Read while the call runs, never changed. */
    readonly content: Uint8Array
  })[]
}

type MoveBody = BodyOf<typeof moveRoute>

/** Sealed bytes that show Key HSM that a key may go, and from where they were read. */
interface RevokeProof extends Omit<NonNullable<RevokeBody['proof']>, 'sealed'> {
  readonly sealed: Uint8Array
}

export interface RevokeRequest extends Omit<RevokeBody, 'proof'> {
  readonly proof?: RevokeProof
}

/** What is to be moved: content that is not sealed yet, or sealed bytes with the canary of their partition. */
export interface ToMove extends Omit<MoveBody['deposits'][number], 'content' | 'sealed'> {
  readonly content?: Uint8Array
  readonly sealed?: Uint8Array
}

export interface MoveRequest extends Omit<MoveBody, 'deposits'> {
  readonly deposits: readonly ToMove[]
}

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined
  /** Not asked again after a fault, whatever the policy says. */
  readonly once?: true | undefined
}

export type SealedDeposit = Omit<SealReply, 'sealed'> & { readonly sealed: Buffer }
export type HsmKeyEntry = ReplyOf<typeof listHsmKeysRoute>['keys'][number]
export type AuditLogHead = ReplyOf<typeof exchangeHeadsRoute>
export type PartitionDescription = ReplyOf<typeof describeRoute>

/** A Trustee Server's side of its Key HSM. */
export class KeyHsmClient {
  readonly #transport: Transport
  readonly #reads: RetryPolicy

  /** `reads` says how often opening, listing and describing are tried; sealing, moving and revoking are sent once. */
  constructor(transport: Transport, reads: RetryPolicy = noRetry) {
    this.#transport = transport
    this.#reads = reads
  }

  /** What Key HSM may show from the next connection on; PEM. @throws ERR_INVALID_INPUT for what is no certificate */
  pin(certificates: readonly string[]): void {
    this.#transport.pin(certificates)
  }

  /** Seals content under a key in the HSM. After a fault that {@link mayHaveBeenProcessed}, a key may be left behind. */
  async seal(request: SealRequest, signal?: AbortSignal): Promise<SealedDeposit> {
    const body: SealBody = { ...request, content: encodeBase64(request.content) }
    const reply = await this.#transport.call(sealRoute, { body, signal })
    return { ...reply, sealed: decodeBase64(reply.sealed, 'sealed') }
  }

  /**
   * Seals several deposits; sent once, as {@link seal}. What became of each, in their order: an error there is about it alone.
   * Not counted here: the caller knows which keys an answer of another length names.
   * @throws ERR_NOT_FOUND or, above 1 MiB of body, ERR_TOO_LARGE for a Key HSM that seals one at a time only
   */
  async seals(
    request: SealsRequest,
    signal?: AbortSignal,
  ): Promise<readonly (SealedDeposit | DomainError)[]> {
    const deposits = request.deposits.map(({ content, ...rest }) => ({
      ...rest,
      content: encodeBase64(content),
    }))
    const reply = await this.#transport.call(sealsRoute, { body: { ...request, deposits }, signal })
    return reply.deposits.map(toSealed)
  }

  /** The content; the caller wipes it. @throws ERR_IRRETRIEVABLE for ever, ERR_HSM_UNAVAILABLE for now. */
  async open(request: OpenRequest, options: OpenOptions = {}): Promise<Buffer> {
    const { signal, once } = options
    const body = { ...request, sealed: encodeBase64(request.sealed) }
    const call = () => this.#transport.call(openRoute, { body, signal })
    const { content } = await withRetry(once ? noRetry : this.#reads, call, signal)
    return decodeBase64(content, 'content')
  }

  /**
   * Seals deposits within Key HSM, those that are sealed anew; sent once, as {@link seal}. What became of each, in their
   * order: an error there is about it alone. @throws as {@link open} and {@link seal} when none was moved
   */
  async move(
    request: MoveRequest,
    signal?: AbortSignal,
  ): Promise<readonly (SealedDeposit | DomainError)[]> {
    const deposits = request.deposits.map(({ content, sealed, ...rest }) => ({
      ...rest,
      ...(content === undefined ? {} : { content: encodeBase64(content) }),
      ...(sealed === undefined ? {} : { sealed: encodeBase64(sealed) }),
    }))
    const reply = await this.#transport.call(moveRoute, { body: { ...request, deposits }, signal })
    return reply.deposits.map(toSealed)
  }

  async revoke(
    { proof, ...order }: RevokeRequest,
    signal?: AbortSignal,
  ): Promise<ReplyOf<typeof revokeRoute>['outcome']> {
    const shown = proof && { ...proof, sealed: encodeBase64(proof.sealed) }
    const body: RevokeBody = { ...order, ...(shown ? { proof: shown } : {}) }
    return (await this.#transport.call(revokeRoute, { body, signal })).outcome
  }

  /**
   * Every HSM key of the realm in the order of their ids, asked for page by page: in the partition that shows `canary`, or
   * in the default backend's.
   */
  async *listHsmKeys(pageSize = 1000, canary?: string): AsyncGenerator<HsmKeyEntry> {
    const only = canary === undefined ? {} : { canary }
    let after: string | undefined
    do {
      const from = after === undefined ? {} : { after }
      const query = { ...from, limit: pageSize, ...only }
      const call = () => this.#transport.call(listHsmKeysRoute, { query })
      const page = await withRetry(this.#reads, call)
      yield* page.keys
      after = page.next
    } while (after !== undefined)
  }

  /**
   * `pins`: fingerprints of the certificates that the caller accepts of this Key HSM, at most four. `backend`: the name of
   * the backend that is described, absent for the default one.
   */
  async describe(
    signal?: AbortSignal,
    pins: readonly string[] = [],
    backend?: string,
  ): Promise<PartitionDescription> {
    const query = {
      ...(pins.length === 0 ? {} : { pins: pins.join(',') }),
      ...(backend === undefined ? {} : { backend }),
    }
    const call = () => this.#transport.call(describeRoute, { query, signal })
    return await withRetry(this.#reads, call, signal)
  }

  /** Has the head of the caller's audit recorded; the head of Key HSM's. */
  exchangeHeads(head: AuditLogHead, signal?: AbortSignal): Promise<AuditLogHead> {
    return this.#transport.call(exchangeHeadsRoute, { body: head, signal })
  }

  async close(): Promise<void> {
    await this.#transport.close()
  }
}

function toSealed(
  fate: ReplyOf<typeof sealsRoute>['deposits'][number],
): SealedDeposit | DomainError {
  return 'code' in fate
    ? fromProblem(200, fate)
    : { ...fate, sealed: decodeBase64(fate.sealed, 'sealed') }
}
