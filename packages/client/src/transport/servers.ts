/**
 * Several Trustee Servers of one installation as one: calls go to the server that answered last, and to the next one when
 * it cannot serve. What may be repeated is decided by the clients on top, as with one server.
 */
import { DomainError, errorTraits, invalidInput } from '@keyhsm/core'
import type { ReplyOf, RouteSpec } from '@keyhsm/protocol'
import { mayHaveBeenProcessed } from './faults.js'
import { type CallOptions, originOf, Transport, type TransportOptions } from './transport.js'

/** What clients need of a connection, be it to one server or to several. */
export type Calls = Pick<Transport, 'peer' | 'call' | 'close' | 'destroy'>

const maxServers = 16

/** `https://a:11371,https://b:11371` as origins. @throws ERR_INVALID_INPUT naming `field` */
export function originsOf(text: string | undefined, field = 'server'): readonly string[] {
  const origins = (text ?? '').split(',').map((url) => originOf(url.trim(), field))
  if (new Set(origins).size < origins.length)
    throw invalidInput(field, 'must name each server once')
  if (origins.length > maxServers)
    throw invalidInput(field, `must name at most ${maxServers} servers`)
  return origins
}

/** Connects on the first call; `url` names one server or several, separated by commas. @throws ERR_INVALID_INPUT */
export function openCalls(options: TransportOptions & { readonly url: string }): Calls {
  const origins = originsOf(options.url)
  const transports = origins.map((url) => new Transport({ ...options, url }))
  const [only] = transports
  return only && transports.length === 1 ? only : new Servers(transports)
}

class Servers implements Calls {
  readonly #servers: readonly Transport[]
  #current = 0

  constructor(servers: readonly Transport[]) {
    this.#servers = servers
  }

  get peer(): string {
    return this.#server().peer
  }

  /**
   * One call, to each server at most once: to the next while it certainly was not processed, or changes nothing.
   * @throws the last error that says something about the request; what it was may then have happened
   */
  async call<Spec extends RouteSpec>(
    spec: Spec,
    options: CallOptions<Spec> = {},
  ): Promise<ReplyOf<Spec>> {
    let fault: unknown
    for (let tried = 0; tried < this.#servers.length; tried += 1) {
      const server = this.#server()
      try {
        return await server.call(spec, options)
      } catch (error) {
        if (!worthAsking(error)) throw error
        this.#leave(server, error)
        fault = worse(fault, error)
        if (options.signal?.aborted === true) break
        if (spec.method !== 'GET' && mayHaveBeenProcessed(error) && !isElsewhere(error)) break
      }
    }
    throw fault
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()))
  }

  async destroy(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.destroy()))
  }

  #server(): Transport {
    const server = this.#servers[this.#current]
    if (!server) throw new Error('no server')
    return server
  }

  /** To the server that the fault names, or the next; unless another call left it already. */
  #leave(server: Transport, error: unknown): void {
    if (this.#server() !== server) return
    const named = error instanceof DomainError ? error.elsewhere : []
    const known = this.#servers.findIndex(({ peer }) => named.includes(peer))
    this.#current = known >= 0 ? known : (this.#current + 1) % this.#servers.length
  }
}

/** Whether another server may do better: this one is away, is not the pinned one, or lacks something it needs. */
function worthAsking(error: unknown): boolean {
  if (!(error instanceof DomainError)) return false
  const { code } = error
  if (code === 'ERR_QUOTA') return false
  return (
    errorTraits[code].retry || (code === 'ERR_NOT_AUTHENTICATED' && !mayHaveBeenProcessed(error))
  )
}

/** Refused because another server takes writes: nothing was begun. */
function isElsewhere(error: unknown): boolean {
  return error instanceof DomainError && error.elsewhere.length > 0
}

/** A request that may have been processed must not be reported as one that was not. */
function worse(before: unknown, now: unknown): unknown {
  return before !== undefined && mayHaveBeenProcessed(before) && !mayHaveBeenProcessed(now)
    ? before
    : now
}
