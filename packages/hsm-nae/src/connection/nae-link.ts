/** One connection to an appliance: one request in flight, its answer or a fault. After a fault it is of no more use. */
import type { Socket } from 'node:net'
import type { NaeDialect, NameKey } from '../dialect/dialect.js'
import { LinkError, NaeRefusal } from '../failure.js'
import type { NaeNode } from '../options.js'
import { type DataForm, formatData } from '../wire/data-element.js'
import { type Message, MessageReader } from '../wire/message-reader.js'
import { WireError } from '../wire/wire-error.js'
import { branch, findText, leaf, type XmlElement } from '../xml/element.js'
import { formatElement } from '../xml/format-element.js'
import { nameOf, toLinkError } from './connect-socket.js'

/** A request: the names of its element and of the answer, what stands in it, and the data behind it. */
export interface NaeRequest {
  readonly request: NameKey
  readonly response: NameKey
  /** Children after the ID, in the order of the document. */
  readonly children: readonly (XmlElement | undefined)[]
  readonly data?: Buffer
  readonly form?: DataForm
}

interface Pending {
  readonly asked: NaeRequest
  readonly id: string
  readonly resolve: (message: Message) => void
  readonly reject: (error: Error) => void
}

/** Lets somebody look at what goes over the wire; used by `keyhsm nae-probe`, which redacts it. */
export type Witness = (direction: 'sent' | 'received', message: Message) => void

export class NaeLink {
  readonly node: NaeNode
  readonly #socket: Socket
  readonly #dialect: NaeDialect
  readonly #reader: MessageReader
  readonly #witness: Witness | undefined
  #pending: Pending | undefined
  #broken: LinkError | undefined
  #ids = 0

  constructor(node: NaeNode, socket: Socket, dialect: NaeDialect, witness?: Witness) {
    this.node = node
    this.#socket = socket
    this.#dialect = dialect
    this.#witness = witness
    this.#reader = new MessageReader({ carriesData: (element) => this.#carriesData(element) })
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', (error) => this.#break(toLinkError(error, node, socket)))
    socket.on('close', () => this.#break(lost(node)))
    socket.on('end', () => this.#break(lost(node)))
  }

  get usable(): boolean {
    return this.#broken === undefined
  }

  /**
   * Sends a request and waits for its answer.
   * @throws NaeRefusal when the appliance says no; LinkError when the connection fails or no answer comes in `limitMs`,
   * with `sent` telling whether the request may have been carried out.
   */
  async request(asked: NaeRequest, limitMs: number): Promise<Message> {
    if (this.#broken) throw this.#broken
    if (this.#pending) throw new Error('one request at a time')
    this.#ids += 1
    const id = String(this.#ids)
    const { names } = this.#dialect
    const element = branch(names[asked.request], [leaf(names.id, id), ...asked.children])
    const head = formatElement(element)
    const bytes =
      asked.data === undefined
        ? head
        : Buffer.concat([head, formatData(asked.data, asked.form ?? 'DataSingle')])
    this.#witness?.('sent', { element, data: asked.data })
    const answer = this.#await(asked, id, limitMs)
    // The bytes may hold a password or a content key; a socket that is done with them leaves no copy of ours behind.
    this.#socket.write(bytes, () => bytes.fill(0))
    return this.#check(asked, await answer)
  }

  close(): void {
    this.#break(new LinkError('closed', 'the connection is closed'))
  }

  #await(asked: NaeRequest, id: string, limitMs: number): Promise<Message> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#break(new LinkError('no-answer', `${nameOf(this.node)} did not answer in time`))
      }, limitMs)
      const settle = () => {
        clearTimeout(timer)
        this.#pending = undefined
      }
      this.#pending = {
        asked,
        id,
        resolve: (message) => {
          settle()
          resolve(message)
        },
        reject: (error) => {
          settle()
          reject(error)
        },
      }
    })
  }

  #receive(chunk: Buffer): void {
    try {
      this.#reader.append(chunk)
      chunk.fill(0)
      const message = this.#reader.next()
      if (message) this.#deliver(message)
      // Nothing may come that was not asked for: a late answer would be taken for the next one.
      else if (!this.#pending && this.#reader.unread > 0) throw new WireError('not-xml')
    } catch (error) {
      const fault = error instanceof WireError && error.fault === 'tls' ? 'tls-only' : 'not-nae-xml'
      const text = error instanceof Error ? error.message : 'unreadable'
      this.#break(new LinkError(fault, `${nameOf(this.node)}: ${text}`, { cause: error }))
    }
  }

  #deliver(message: Message): void {
    const pending = this.#pending
    if (!pending || this.#reader.unread > 0) throw new WireError('not-xml')
    this.#witness?.('received', message)
    const echoed = findText(message.element, this.#dialect.names.id)
    if (echoed !== undefined && echoed !== '' && echoed !== pending.id)
      throw new WireError('not-xml')
    pending.resolve(message)
  }

  #check(asked: NaeRequest, message: Message): Message {
    const { names } = this.#dialect
    const { element } = message
    if (!this.#succeeded(element)) {
      const fatal = isTrue(findText(element, names.fatalError))
      if (fatal) this.#break(lost(this.node))
      throw new NaeRefusal(names[asked.request], findText(element, names.errorString) ?? '', fatal)
    }
    if (element.name === names[asked.response]) return message
    const error = new LinkError('not-nae-xml', `${nameOf(this.node)}: unexpected answer`, {
      sent: true,
    })
    this.#break(error)
    throw error
  }

  /** VersionResponse has no `Success` in the vendor's example; a refusal always has an `ErrorString`. */
  #succeeded(element: XmlElement): boolean {
    const { names } = this.#dialect
    const success = findText(element, names.success)
    if (success !== undefined) return isTrue(success)
    return findText(element, names.errorString) === undefined
  }

  #carriesData(element: XmlElement): boolean {
    const { names } = this.#dialect
    const mayCarry = [names.cryptoResponse, names.randGenResponse] as readonly string[]
    return mayCarry.includes(element.name) && this.#succeeded(element)
  }

  #break(error: LinkError): void {
    if (this.#broken) return
    this.#broken = error
    this.#socket.destroy()
    const { fault, message, cause } = error
    this.#pending?.reject(new LinkError(fault, message, { sent: true, cause }))
  }
}

function isTrue(text: string | undefined): boolean {
  return text?.toLowerCase() === 'true'
}

function lost(node: NaeNode): LinkError {
  return new LinkError('lost', `${nameOf(node)} closed the connection`)
}
