/**
 * What a route's handler is given. It is a class because of `signal`: V8 makes a hidden class for each object literal that has an accessor
 * of its own, and that keeps whatever the accessor reaches, the whole request, until the next full collection (observed on Node 20:
 * a sixth of what was made between two collections of the young generation survived them, with pauses of 20 to 70 ms).
 */
import type { RouteSpec } from '@keyhsm/protocol'
import type { SignalSource } from './deadline.js'
import type { RouteRequest } from './route-request.js'

type Asked = RouteRequest<RouteSpec>

export class AskedRequest implements Asked {
  readonly params: Asked['params']
  readonly query: Asked['query']
  readonly body: Asked['body']
  readonly headers: Asked['headers']
  readonly requestId: Asked['requestId']
  readonly identity: Asked['identity']
  readonly peerAddress: string
  readonly #signal: SignalSource

  constructor(known: Omit<Asked, 'signal'>, signal: SignalSource) {
    this.params = known.params
    this.query = known.query
    this.body = known.body
    this.headers = known.headers
    this.requestId = known.requestId
    this.identity = known.identity
    this.peerAddress = known.peerAddress
    this.#signal = signal
  }

  get signal(): AbortSignal {
    return this.#signal()
  }
}
