/** What clients ask of the Trustee Server, in bytes instead of base64. Knows nothing of client-side sealing. */
import { hasCode, newUuid, asUuid, DomainError } from '@keyhsm/core'
import {
  type BodyOf,
  askRetrievalRoute,
  decodeBase64,
  describeDepositRoute,
  encodeBase64,
  enrolRoute,
  findPeersRoute,
  getDepositRoute,
  listDepositsRoute,
  listRequestsRoute,
  type PolicyField,
  putBatchRoute,
  purgeDepositRoute,
  putDepositRoute,
  type ReplyOf,
  readRequestRoute,
  recordHeadRoute,
  removeDepositRoute,
  selfRoute,
  setPolicyRoute,
  signRequestRoute,
  type TrusteesField,
  undeleteDepositRoute,
  verdictRoute,
  withdrawRoute,
} from '@keyhsm/protocol'
import { patient, type RetryPolicy, withRetry } from './retry.js'
import type { Calls } from './transport/servers.js'

export type Deposit = ReplyOf<typeof getDepositRoute>['deposit']
export type Enrolment = ReplyOf<typeof enrolRoute>
export type Purged = ReplyOf<typeof purgeDepositRoute>
export type Self = ReplyOf<typeof selfRoute>
export type Policy = PolicyField
export type PutScope = NonNullable<BodyOf<typeof putDepositRoute>['scope']>

/** When a put may take effect: only on a free handle, or only over this revision. */
export type PutCondition = 'absent' | { readonly revision: number }

export interface PutRequest {
  readonly handle: string
  readonly content: Uint8Array
  readonly scope?: PutScope | undefined
  /** When and by whom it may be retrieved; absent: what was laid down before stays. */
  readonly policy?: Policy | undefined
  /** Who must approve each retrieval; absent: who did before. */
  readonly trustees?: TrusteesField | undefined
  /** Absent: the put replaces whatever is there. */
  readonly condition?: PutCondition | undefined
  /** Repeated requests with one id have one effect; default: a new one. */
  readonly requestId?: string | undefined
}

export interface Retrieved {
  readonly deposit: Deposit
  readonly revision: number
  readonly content: Buffer
  /** Read where no primary of the database was reached: other servers may know of a newer revision. */
  readonly standby?: true | undefined
}

/** A client of the Trustee Server, or one that is about to enrol. */
export class TrusteeClient {
  readonly #transport: Calls
  readonly #retry: RetryPolicy

  constructor(transport: Calls, retry: RetryPolicy = patient) {
    this.#transport = transport
    this.#retry = retry
  }

  /** Asks for a certificate. Asking again with the same keys gives the same client. */
  async enrol(body: BodyOf<typeof enrolRoute>): Promise<Enrolment> {
    return await this.#again(() => this.#transport.call(enrolRoute, { body }))
  }

  async self(): Promise<Self> {
    return await this.#again(() => this.#transport.call(selfRoute))
  }

  /** Deposits content; repeated under one request id while the server is unavailable. */
  async put(request: PutRequest): Promise<Deposit> {
    const body = {
      requestId: request.requestId ?? newUuid(),
      content: encodeBase64(request.content),
      ...(request.scope === undefined ? {} : { scope: request.scope }),
      ...(request.policy === undefined ? {} : { policy: request.policy }),
      ...(request.trustees === undefined ? {} : { trustees: request.trustees }),
    }
    const params = { handle: request.handle }
    const headers = conditionHeaders(request.condition)
    return await this.#again(() => this.#transport.call(putDepositRoute, { params, body, headers }))
  }

  /** Puts and removes all or nothing. */
  async putBatch(
    puts: readonly PutRequest[],
    removes: readonly string[] = [],
    requestId: string = newUuid(),
  ): Promise<ReplyOf<typeof putBatchRoute>> {
    const body = { requestId, puts: puts.map(toBatchPut), removes: [...removes] }
    return await this.#again(() => this.#transport.call(putBatchRoute, { body }))
  }

  /**
   * @param ref a handle, a deposit's uuid or a revision's uuid
   * @param request one that trustees approved
   * @throws ERR_INTEGRITY when the server answers with a deposit of another handle; what a uuid means is its word
   */
  async get(ref: string, request?: string): Promise<Retrieved> {
    const query = request === undefined ? {} : { request }
    const call = () => this.#transport.call(getDepositRoute, { params: { ref }, query })
    const reply = await this.#again(call)
    if (reply.deposit.handle !== ref && asUuid(ref) === undefined)
      throw new DomainError('ERR_INTEGRITY', 'the server answered with another deposit')
    return { ...reply, content: decodeBase64(reply.content, 'content') }
  }

  /** The caller's deposits in the order of their handles, those after `from`, asked for page by page. */
  async *list(pageSize = 500, from?: string): AsyncGenerator<Deposit> {
    let after = from
    do {
      const query = after === undefined ? { limit: pageSize } : { after, limit: pageSize }
      const call = () => this.#transport.call(listDepositsRoute, { query })
      const page = await this.#again(call)
      yield* page.deposits
      after = page.next
    } while (after !== undefined)
  }

  /** The deposit under `handle` without its content, undefined when there is none. */
  async find(handle: string): Promise<Deposit | undefined> {
    try {
      const params = { ref: handle }
      const call = () => this.#transport.call(describeDepositRoute, { params })
      const deposit = await this.#again(call)
      // A handle that looks like a uuid may mean another deposit.
      return deposit.handle === handle ? deposit : undefined
    } catch (error) {
      if (hasCode(error, 'ERR_NOT_FOUND')) return undefined
      throw error
    }
  }

  async remove(ref: string): Promise<Deposit> {
    return await this.#again(() => this.#transport.call(removeDepositRoute, { params: { ref } }))
  }

  /** Undoes a removal within its window. @throws ERR_DISABLED after it. */
  async undelete(ref: string): Promise<Deposit> {
    const options = { params: { ref }, body: {} }
    return await this.#again(() => this.#transport.call(undeleteDepositRoute, options))
  }

  /** Replaces what is laid down about retrievals; an empty policy takes it back. */
  async setPolicy(ref: string, policy: Policy): Promise<Deposit> {
    const options = { params: { ref }, body: policy }
    return await this.#again(() => this.#transport.call(setPolicyRoute, options))
  }

  /** Makes a deposit with all its revisions unreadable for ever; state `purging` means: as soon as the HSM answers. */
  async purge(ref: string): Promise<Purged> {
    const options = { params: { ref }, body: {} }
    return await this.#again(() => this.#transport.call(purgeDepositRoute, options))
  }

  /** A client, or the members of a group, of the own organisation. @throws ERR_NOT_FOUND */
  async peers(name: string): Promise<ReplyOf<typeof findPeersRoute>> {
    return await this.#again(() => this.#transport.call(findPeersRoute, { params: { name } }))
  }

  /** Makes a request for a deposit with trustees, not signed yet; sent once. */
  async askRetrieval(ref: string): Promise<ReplyOf<typeof askRetrievalRoute>> {
    return await this.#transport.call(askRetrievalRoute, { body: { ref } })
  }

  async signRequest(uuid: string, signature: Buffer): Promise<ReplyOf<typeof readRequestRoute>> {
    const options = { params: { uuid }, body: { signature: encodeBase64(signature) } }
    return await this.#again(() => this.#transport.call(signRequestRoute, options))
  }

  /** Own requests and those to approve, while they are not over: every page of them. */
  async requests(): Promise<ReplyOf<typeof listRequestsRoute>['requests']> {
    const requests: ReplyOf<typeof listRequestsRoute>['requests'] = []
    let after: string | undefined
    do {
      const options = { query: after === undefined ? {} : { after } }
      const page = await this.#again(() => this.#transport.call(listRequestsRoute, options))
      requests.push(...page.requests)
      after = page.next
    } while (after !== undefined)
    return requests
  }

  async request(uuid: string): Promise<ReplyOf<typeof readRequestRoute>> {
    return await this.#again(() => this.#transport.call(readRequestRoute, { params: { uuid } }))
  }

  /** @param signature of an approval, over the request's statement */
  async giveVerdict(
    uuid: string,
    verdict: 'approve' | 'deny',
    signature?: Buffer,
  ): Promise<ReplyOf<typeof readRequestRoute>> {
    const signed = signature === undefined ? {} : { signature: encodeBase64(signature) }
    const options = { params: { uuid }, body: { verdict, ...signed } }
    return await this.#again(() => this.#transport.call(verdictRoute, options))
  }

  /** Takes back a verdict, or a request of one's own. */
  async withdraw(uuid: string): Promise<ReplyOf<typeof readRequestRoute>> {
    return await this.#again(() => this.#transport.call(withdrawRoute, { params: { uuid } }))
  }

  /** Has the head of an audit that this client keeps itself recorded in the server's. */
  async recordHead(head: BodyOf<typeof recordHeadRoute>, signal?: AbortSignal): Promise<void> {
    await this.#transport.call(recordHeadRoute, { body: head, signal })
  }

  async close(): Promise<void> {
    await this.#transport.close()
  }

  #again<Result>(call: () => Promise<Result>): Promise<Result> {
    return withRetry(this.#retry, call)
  }
}

/** @see RFC 9110 §13.1.1 If-Match, §13.1.2 If-None-Match */
function conditionHeaders(condition: PutCondition | undefined): Record<string, string> {
  if (condition === undefined) return {}
  return condition === 'absent'
    ? { 'if-none-match': '*' }
    : { 'if-match': `"${condition.revision}"` }
}

function toBatchPut(put: PutRequest): BodyOf<typeof putBatchRoute>['puts'][number] {
  const { handle, scope, condition, policy, trustees } = put
  return {
    handle,
    content: encodeBase64(put.content),
    ...(scope === undefined ? {} : { scope }),
    ...(policy === undefined ? {} : { policy }),
    ...(trustees === undefined ? {} : { trustees }),
    ...(condition === 'absent' ? { ifNoneMatch: '*' as const } : {}),
    ...(typeof condition === 'object' ? { ifMatch: condition.revision } : {}),
  }
}
