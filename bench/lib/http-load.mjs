/**
 * One keep-alive HTTP connection, plain or TLS, to any server: a request is one write of bytes made before, a reply is read by its
 * Content-Length or to its last chunk. As little as possible, so that the machine measures the server.
 */
import { connect as connectPlain } from 'node:net'
import { connect as connectTls } from 'node:tls'

const headEnd = Buffer.from('\r\n\r\n')
const lastChunk = Buffer.from('0\r\n\r\n')

export class HttpLoad {
  #socket
  #received
  #end
  #status = 0
  #waiting
  /** @type {Error | undefined} why no reply will come any more */
  #fault

  /** @param {{ url: string, ca?: string }} server base URL, and the certificate that vouches for it */
  static async open({ url, ca }) {
    const load = new HttpLoad()
    const { protocol, hostname: host, port } = new URL(url)
    await new Promise((resolve, reject) => {
      load.#socket =
        protocol === 'https:'
          ? connectTls({ host, port, ca, ALPNProtocols: [] }, resolve)
          : connectPlain({ host, port }, resolve)
      load.#socket.once('error', reject)
    })
    load.#socket.setNoDelay(true)
    load.#socket.on('data', (chunk) => load.#take(chunk))
    load.#socket.on('error', (error) => load.#fail(error))
    load.#socket.on('close', () => load.#fail(new Error('the server hung up')))
    return load
  }

  /**
   * Sends a whole request. @returns the reply's head and body as text.
   * @throws Error for another status than 200, and when the server has hung up, also before
   */
  exchange(request) {
    return new Promise((resolve, reject) => {
      if (this.#fault) throw this.#fault
      this.#waiting = { resolve, reject }
      this.#socket.write(request)
    })
  }

  close() {
    this.#socket.destroy()
  }

  #fail(error) {
    this.#fault ??= error
    this.#waiting?.reject(this.#fault)
  }

  #take(chunk) {
    this.#received = this.#received ? Buffer.concat([this.#received, chunk]) : chunk
    this.#end ??= this.#readHead()
    if (this.#end === undefined || !this.#isWhole()) return
    const { resolve, reject } = this.#waiting
    const text = this.#received.toString()
    this.#received = this.#end = this.#waiting = undefined
    if (this.#status === 200) resolve(text)
    else reject(Object.assign(new Error(text), { code: `status ${this.#status}` }))
  }

  #isWhole() {
    if (this.#end === 'chunks') return this.#received.subarray(-lastChunk.length).equals(lastChunk)
    return this.#received.length >= this.#end
  }

  /** Where the reply ends; `chunks`: behind the last one. */
  #readHead() {
    const at = this.#received.indexOf(headEnd)
    if (at < 0) return undefined
    const head = this.#received.toString('latin1', 0, at)
    this.#status = Number(head.slice(9, 12))
    const length = /^content-length: (\d+)/im.exec(head)?.[1]
    if (length !== undefined) return at + headEnd.length + Number(length)
    if (/^transfer-encoding: chunked/im.test(head)) return 'chunks'
    throw new Error(`a reply without length: ${head}`)
  }
}

/** What a request asks of a KMS at `base`. */
export function pathOf({ path }, base) {
  return `${new URL(base).pathname}/v1${path}`
}

/** The bytes of a request with a cookie and, where there is one, a JSON body. */
export function requestBytes({ method, path, cookie, body }, base) {
  const { host } = new URL(base)
  const text = body === undefined ? '' : JSON.stringify(body)
  const more =
    body === undefined
      ? ''
      : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`
  return Buffer.from(
    `${method} ${pathOf({ path }, base)} HTTP/1.1\r\nhost: ${host}\r\ncookie: ${cookie}\r\n${more}\r\n${text}`,
  )
}
