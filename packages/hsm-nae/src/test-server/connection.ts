/** Serves one socket: reads requests in order, answers each before the next, and misbehaves as it is told. */
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatData } from '../wire/data-element.js'
import { type Message, MessageReader } from '../wire/message-reader.js'
import { branch, findText, leaf } from '../xml/element.js'
import { formatElement } from '../xml/format-element.js'
import { handlers } from './handlers.js'
import { Refusal } from './refusal.js'
import { checkShape, findRequest } from './request-shapes.js'
import type { Answer, ServerState, Session } from './session.js'

/** Called with the name of each request; resolves when it may be answered, so the server stalls by not resolving it. */
export type Gate = (request: string) => Promise<void>

/** Requests that a session which has not logged in may make when passwords are required. */
const openRequests: ReadonlySet<string> = new Set(['versionRequest', 'authRequest'])

export class ServedConnection {
  readonly #socket: Socket
  readonly #state: ServerState
  readonly #gate: Gate
  readonly #session: Session
  readonly #reader: MessageReader
  #work: Promise<void> = Promise.resolve()
  #answers = 0

  constructor(socket: Socket, state: ServerState, node: number, gate: Gate) {
    this.#socket = socket
    this.#state = state
    this.#gate = gate
    this.#session = { node, asked: 'nothing', user: undefined, generation: state.generation }
    const { cryptoRequest } = state.dialect.names
    this.#reader = new MessageReader({ carriesData: ({ name }) => name === cryptoRequest })
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
  }

  #receive(chunk: Buffer): void {
    try {
      this.#reader.append(chunk)
      for (let message = this.#reader.next(); message; message = this.#reader.next()) {
        const next = message
        this.#work = this.#work.then(() => this.#serve(next))
      }
    } catch {
      this.#work = this.#work.then(() => this.#refuse('ErrorResponse', '', new Refusal('parse')))
    }
  }

  async #serve(message: Message): Promise<void> {
    const { names } = this.#state.dialect
    const id = findText(message.element, names.id) ?? ''
    const response = message.element.name.replace(/Request$/, 'Response')
    await this.#gate(message.element.name)
    if (this.#state.behaviour.latencyMs > 0) await sleep(this.#state.behaviour.latencyMs)
    try {
      const answer = await this.#answer(message)
      const { dataForm, chunkBytes } = this.#state.behaviour
      const told = this.#state.behaviour.wrongId ? `${id}9` : id
      const head = branch(response, [
        leaf(names.id, told),
        leaf(names.success, 'true'),
        ...answer.children,
      ])
      const data = answer.data && formatData(answer.data, dataForm, chunkBytes)
      await this.#send(message.element.name, Buffer.concat([formatElement(head), data ?? empty]))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      await this.#refuse(response, id, error)
    }
  }

  #answer(message: Message): Promise<Answer> | Answer {
    const { dialect, behaviour, settings } = this.#state
    const request = findRequest(dialect, message.element)
    if (!request) throw new Refusal('unknownRequest')
    this.#keepOrder(request)
    if (behaviour.strict) checkShape(dialect, request, message.element)
    const loggedIn = this.#session.user && this.#session.generation === this.#state.generation
    const needsLogin = settings.passwordAuthentication === 'required' && !openRequests.has(request)
    if (needsLogin && !loggedIn) throw new Refusal('notAuthenticated')
    const handle = handlers[request]
    if (!handle) throw new Refusal('unknownRequest')
    const { element, data } = message
    return handle({ state: this.#state, session: this.#session, element, data })
  }

  /** Version, then login, then the rest; each at most once. */
  #keepOrder(request: string): void {
    const { asked } = this.#session
    const late =
      request === 'versionRequest' ? asked !== 'nothing' : asked === 'login' || asked === 'more'
    if (openRequests.has(request) && late) throw new Refusal('order')
    const steps = { versionRequest: 'version', authRequest: 'login' } as const
    this.#session.asked = request in steps ? steps[request as keyof typeof steps] : 'more'
  }

  async #refuse(response: string, id: string, refusal: Refusal): Promise<void> {
    const { names } = this.#state.dialect
    const numbers = this.#state.behaviour.errors === 'numbers'
    const text = numbers ? `${refusal.number}` : `${refusal.number}: ${refusal.message}`
    const element = branch(response, [
      leaf(names.id, id),
      leaf(names.success, 'false'),
      leaf(names.fatalError, String(refusal.fatal)),
      leaf(names.errorString, text),
    ])
    await this.#send(response, formatElement(element))
    if (refusal.fatal) this.#socket.end()
  }

  async #send(request: string, bytes: Buffer): Promise<void> {
    const { cutsAnswersTo, dribbleBytes, halfClosesAfter } = this.#state.behaviour
    if (cutsAnswersTo === request) {
      this.#socket.write(bytes.subarray(0, bytes.length >> 1), () => this.#socket.destroy())
      return
    }
    if (dribbleBytes === 0) this.#socket.write(bytes)
    else await this.#dribble(bytes, dribbleBytes)
    this.#answers += 1
    if (this.#answers >= halfClosesAfter) this.#socket.end()
  }

  async #dribble(bytes: Buffer, step: number): Promise<void> {
    for (let at = 0; at < bytes.length && this.#socket.writable; at += step) {
      const piece = bytes.subarray(at, at + step)
      await new Promise<void>((resolve) => this.#socket.write(piece, () => resolve()))
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }
}

const empty = Buffer.alloc(0)
