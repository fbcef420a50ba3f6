/**
 * A server that follows docs/protocols/nae-xml.md, for tests and for trying out set-up without an appliance. It keeps keys
 * in memory and is no security product.
 */
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { defaultDialect, type NaeDialect } from '../dialect/dialect.js'
import { ServedConnection } from './connection.js'
import { KeyStore, type StoredKey } from './key-store.js'
import { type ServerIdentity } from './make-certificate.js'
import type { ServerState } from './session.js'
import {
  type ApplianceSettings,
  type Behaviour,
  plainBehaviour,
  rightSettings,
  type TestUser,
} from './settings.js'

export interface NaeTestServerOptions {
  /** Nodes, each with a port of its own. Default 1. */
  readonly nodes?: number
  readonly replicationMs?: number
  readonly users: readonly TestUser[]
  /** Absent: plain TCP. */
  readonly tls?: ServerIdentity
  readonly settings?: Partial<ApplianceSettings>
  readonly behaviour?: Partial<Behaviour>
  readonly dialect?: NaeDialect
  /** Port of the first node; 0, the default, takes free ones. */
  readonly port?: number
}

interface Listener {
  server: Server | undefined
  port: number
  readonly sockets: Set<Socket>
  readonly counts: Map<string, number>
}

export class NaeTestServer {
  /** May be changed while the server runs. */
  readonly settings: ApplianceSettings
  /** May be changed while the server runs. */
  readonly behaviour: Behaviour
  readonly store: KeyStore
  readonly #state: ServerState
  readonly #listeners: Listener[]
  #identity: ServerIdentity | undefined
  #stalled: Promise<void> = Promise.resolve()
  #resume: () => void = () => undefined

  private constructor(options: NaeTestServerOptions) {
    const nodes = options.nodes ?? 1
    this.settings = { ...rightSettings, ...options.settings }
    this.behaviour = { ...plainBehaviour, ...options.behaviour }
    this.store = new KeyStore(nodes, options.replicationMs ?? 0)
    this.#identity = options.tls
    this.#state = {
      dialect: options.dialect ?? defaultDialect,
      store: this.store,
      users: options.users,
      settings: this.settings,
      behaviour: this.behaviour,
      loginAttempts: 0,
      generation: 0,
    }
    this.#listeners = Array.from({ length: nodes }, (_, at) => ({
      server: undefined,
      port: options.port ? options.port + at : 0,
      sockets: new Set<Socket>(),
      counts: new Map<string, number>(),
    }))
  }

  /** Starts every node on the loopback address. */
  static async start(options: NaeTestServerOptions): Promise<NaeTestServer> {
    const server = new NaeTestServer(options)
    for (const node of server.#listeners.keys()) await server.up(node)
    return server
  }

  /** Where the nodes listen. */
  get addresses(): readonly { host: string; port: number }[] {
    return this.#listeners.map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  get loginAttempts(): number {
    return this.#state.loginAttempts
  }

  /** A node takes connections, on the port it had before. */
  async up(node: number): Promise<void> {
    const listener = this.#listenerOf(node)
    if (listener.server) return
    const server = this.#makeServer((socket) => this.#accept(socket, node))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(listener.port, '127.0.0.1', resolve)
    })
    const address = server.address()
    if (address !== null && typeof address === 'object') listener.port = address.port
    listener.server = server
  }

  /** A node closes everything and takes no more connections. */
  async down(node: number): Promise<void> {
    const listener = this.#listenerOf(node)
    const { server } = listener
    listener.server = undefined
    const closed = new Promise<void>((resolve) => {
      if (server) server.close(() => resolve())
      else resolve()
    })
    this.cutConnections(node)
    await closed
  }

  /** Closes the connections of a node, which goes on taking new ones. */
  cutConnections(node: number): void {
    for (const socket of this.#listenerOf(node).sockets) socket.destroy()
  }

  /** Requests that a node has been asked, by name. */
  countOf(node: number, request: string): number {
    return this.#listenerOf(node).counts.get(request) ?? 0
  }

  /** What an administrator does in the appliance; sessions that are open stay. */
  setPassword(user: string, password: string): void {
    this.#state.users = this.#state.users.map((each) =>
      each.name === user ? { ...each, password } : each,
    )
  }

  /** Every session loses its login, as after a change of an interface of the appliance. */
  dropLogins(): void {
    this.#state.generation += 1
  }

  /** No request is answered until {@link resume}. */
  stall(): void {
    this.resume()
    this.#stalled = new Promise((resolve) => {
      this.#resume = resolve
    })
  }

  resume(): void {
    this.#resume()
  }

  /** Another certificate, or none, for connections from now on. */
  async present(identity: ServerIdentity | undefined): Promise<void> {
    this.#identity = identity
    for (const node of this.#listeners.keys()) {
      await this.down(node)
      await this.up(node)
    }
  }

  /** The key of this name as an administrator of the appliance sees it. */
  find(name: string): StoredKey | undefined {
    return this.store.view(0).get(name)
  }

  async close(): Promise<void> {
    this.resume()
    this.store.close()
    for (const node of this.#listeners.keys()) await this.down(node)
  }

  #makeServer(accept: (socket: Socket) => void): Server {
    const identity = this.#identity
    if (!identity) return createTcpServer(accept)
    const asks = this.settings.clientCertificate === 'required'
    const { certificate: cert, privateKey: key, maxVersion = 'TLSv1.3' } = identity
    const options = { cert, key, maxVersion, requestCert: asks, rejectUnauthorized: asks }
    const server = createTlsServer(options, accept)
    server.on('tlsClientError', () => undefined)
    return server
  }

  #accept(socket: Socket, node: number): void {
    const { sockets, counts } = this.#listenerOf(node)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    const other = otherProtocols[this.settings.protocol]
    if (other === undefined) {
      const gate = async (request: string) => {
        counts.set(request, (counts.get(request) ?? 0) + 1)
        await this.#stalled
      }
      void new ServedConnection(socket, this.#state, node, gate)
      return
    }
    socket.on('error', () => socket.destroy())
    socket.once('data', () => socket.end(other))
  }

  #listenerOf(node: number): Listener {
    const listener = this.#listeners[node]
    if (!listener) throw new Error(`there is no node ${node}`)
    return listener
  }
}

/** What a port answers to our first request when it was set to another protocol. */
const otherProtocols: Readonly<Record<ApplianceSettings['protocol'], Buffer | undefined>> = {
  'nae-xml': undefined,
  // The beginning of a KMIP response message, TTLV (KMIP 1.0 §9.1): tag 42007B, type structure, length.
  kmip: Buffer.from('42007b0100000000', 'hex'),
  http: Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n', 'latin1'),
}
