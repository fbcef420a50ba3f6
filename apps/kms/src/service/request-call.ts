/** A request as its endpoint sees it. A class, because accessors in an object literal cost memory: `http/asked-request.ts` of @keyhsm/service. */
import type { ForeignRequest } from '@keyhsm/service'
import type { Call, Kms } from '../api/call.js'
import type { Caller } from '../authentication/caller.js'
import type { RequestParts } from '../authentication/request-parts.js'

export class RequestCall implements Call {
  readonly kms: Kms
  readonly caller: Caller
  readonly groups: readonly string[]
  readonly query: URLSearchParams
  readonly body: Buffer
  readonly name: string
  readonly peerAddress: string
  readonly requestId: string
  readonly #request: ForeignRequest

  constructor(o: {
    readonly kms: Kms
    readonly caller: Caller
    readonly groups: readonly string[]
    readonly parts: RequestParts
    readonly request: ForeignRequest
    readonly name: string
    readonly requestId: string
  }) {
    this.kms = o.kms
    this.caller = o.caller
    this.groups = o.groups
    this.query = o.parts.query
    this.body = o.request.body
    this.name = o.name
    this.peerAddress = o.parts.peerAddress
    this.requestId = o.requestId
    this.#request = o.request
  }

  get origin(): string {
    const { secure, headers } = this.#request
    return `${secure ? 'https' : 'http'}://${headers.host ?? 'localhost'}`
  }

  get delivered(): Promise<boolean> {
    return this.#request.delivered
  }
}
