/**
 * One keep-alive HTTPS connection that does as little as possible, so that the machine measures the server: a request is
 * one write, a reply is read by its Content-Length. It pins the server's certificate and shows the client's.
 */
import { connect } from 'node:tls'

const headEnd = Buffer.from('\r\n\r\n')

export class Connection {
  #socket
  #received = []
  #length = 0
  #wanted
  #waiting
  #host

  /** @param {{ host: string, port: number, ca: string, cert: string, key: string }} options */
  static async open({ host, port, ca, cert, key }) {
    const connection = new Connection()
    connection.#host = `${host}:${port}`
    await new Promise((resolve, reject) => {
      const options = { host, port, ca, cert, key, allowPartialTrustChain: true, ALPNProtocols: [] }
      connection.#socket = connect({ ...options, checkServerIdentity: () => undefined }, resolve)
      connection.#socket.once('error', reject)
    })
    connection.#listen()
    return connection
  }

  /** The reply's body as an object. @throws Error with the problem's code when the status is not a success. */
  async call(method, path, body) {
    const text = body === undefined ? '' : JSON.stringify(body)
    const type =
      body === undefined
        ? ''
        : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`
    const head = `${method} ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n${type}\r\n`
    const { status, bytes } = await this.#exchange(head + text)
    const reply = JSON.parse(bytes.toString())
    if (status < 300) return reply
    throw Object.assign(new Error(`${status} ${reply.detail}`), { code: reply.code })
  }

  close() {
    this.#socket.destroy()
  }

  #exchange(text) {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#socket.write(text)
    })
  }

  #listen() {
    this.#socket.setNoDelay(true)
    this.#socket.on('data', (chunk) => this.#take(chunk))
    this.#socket.on('error', (error) => this.#waiting?.reject(error))
    this.#socket.on('close', () => this.#waiting?.reject(new Error('the server hung up')))
  }

  #take(chunk) {
    this.#received.push(chunk)
    this.#length += chunk.length
    this.#wanted ??= this.#readHead()
    if (!this.#wanted || this.#length < this.#wanted.end) return
    const { status, start, end } = this.#wanted
    const all = Buffer.concat(this.#received)
    if (!this.#waiting) {
      this.#socket.destroy(
        new Error(`an answer without a request: ${all.toString('latin1', 0, 300)}`),
      )
      return
    }
    const bytes = all.subarray(start, end)
    const { resolve } = this.#waiting
    this.#received = []
    this.#length = 0
    this.#wanted = this.#waiting = undefined
    resolve({ status, bytes })
  }

  #readHead() {
    const bytes = this.#received.length === 1 ? this.#received[0] : Buffer.concat(this.#received)
    const at = bytes.indexOf(headEnd)
    if (at < 0) return undefined
    const head = bytes.toString('latin1', 0, at)
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1])
    if (Number.isNaN(length)) throw new Error('a reply without Content-Length')
    const start = at + headEnd.length
    return { status: Number(head.slice(9, 12)), start, end: start + length }
  }
}
