/** Requests to a running KMS of any make, one at a time or several; another instance is asked when one cannot be reached. */
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { readBody } from '@keyhsm/client'
import { DomainError } from '@keyhsm/core'
import { describeRemote, parseReply } from './remote-reply.js'

export interface OldKmsOptions {
  /** Base URLs of its instances. */
  readonly bases: readonly string[]
  /** Certificates that vouch for an https server instead of the system's. */
  readonly ca?: Buffer | undefined
  /** Simple authentication, by a name in the query; a KMS that negotiates gets `cookieFor` instead. */
  readonly user?: string | undefined
  readonly cookieFor?: ((url: string) => Promise<string>) | undefined
}

/** Longer than Hadoop's own client waits. */
const timeoutMs = 90_000
const maxReplyBytes = 64 * 1024 * 1024
const connections = 8

interface Reply {
  readonly status: number
  readonly reason: string
  readonly cookie: string | undefined
  readonly body: Buffer
}

export class OldKms {
  readonly #o: OldKmsOptions
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: connections })
  readonly #https: HttpsAgent
  /** Base URL → its cookie. */
  readonly #cookies = new Map<string, string>()

  constructor(o: OldKmsOptions) {
    this.#o = o
    const trust = o.ca ? { ca: o.ca } : {}
    this.#https = new HttpsAgent({ keepAlive: true, maxSockets: connections, ...trust })
  }

  /**
   * The JSON answer to GET `path` below `/v1`.
   * @throws ERR_NOT_ALLOWED, ERR_NOT_AUTHENTICATED, ERR_UNAVAILABLE in its own words; ERR_INTEGRITY for what is no JSON.
   */
  async get(path: string): Promise<unknown> {
    let fault: unknown
    for (const base of this.#o.bases) {
      try {
        return await this.#ask(base, path)
      } catch (error) {
        // Only what another instance may do better.
        if (!(error instanceof DomainError) || error.code !== 'ERR_UNAVAILABLE') throw error
        fault = error
      }
    }
    throw fault
  }

  close(): void {
    this.#http.destroy()
    this.#https.destroy()
  }

  async #ask(base: string, path: string): Promise<unknown> {
    const first = await this.#send(base, path)
    if (first.status !== 401) return parseReply(first)
    // A cookie that has ended is told like this, too.
    this.#cookies.delete(base)
    const second = await this.#send(base, path)
    if (second.status === 401)
      throw new DomainError('ERR_NOT_AUTHENTICATED', describeRemote(second), {
        hints: ['give --user NAME, or for Kerberos --keytab F and --principal P, or --negotiate'],
      })
    return parseReply(second)
  }

  async #send(base: string, path: string): Promise<Reply> {
    const { user, cookieFor } = this.#o
    const url = new URL(`${base}/v1${path}`)
    let cookie = this.#cookies.get(base)
    if (cookie === undefined && cookieFor) {
      cookie = await cookieFor(`${base}/v1/keys/names`)
      this.#cookies.set(base, cookie)
    }
    if (cookie === undefined && user !== undefined) url.searchParams.set('user.name', user)
    const reply = await this.#exchange(url, cookie)
    if (reply.cookie !== undefined) this.#cookies.set(base, reply.cookie)
    return reply
  }

  #exchange(url: URL, cookie: string | undefined): Promise<Reply> {
    const secure = url.protocol === 'https:'
    const headers = {
      accept: '*/*',
      ...(cookie === undefined ? {} : { cookie: `hadoop.auth=${cookie}` }),
    }
    return new Promise((resolve, reject) => {
      const fail = (cause: Error) => reject(unreachable(url, cause))
      const send = secure ? httpsRequest : httpRequest
      const agent = secure ? this.#https : this.#http
      const request = send(url, { agent, headers, timeout: timeoutMs }, (response) => {
        const answer = (body: Buffer) =>
          resolve({
            status: response.statusCode ?? 0,
            reason: response.statusMessage ?? '',
            cookie: cookieOf(response.headers['set-cookie']),
            body,
          })
        readBody(request, response, maxReplyBytes).then(answer, fail)
      })
      request.once('timeout', () => request.destroy(new Error('no answer in time')))
      request.once('error', fail)
      request.end()
    })
  }
}

function cookieOf(headers: readonly string[] = []): string | undefined {
  for (const header of headers) {
    const [, value] = /^hadoop\.auth=("[^"]+"|[^";]+)/.exec(header) ?? []
    if (value !== undefined) return value
  }
  return undefined
}

function unreachable({ origin }: URL, cause: Error): DomainError {
  const { code } = cause as NodeJS.ErrnoException
  return new DomainError('ERR_UNAVAILABLE', `${origin} cannot be asked: ${code ?? cause.message}`, {
    cause,
    hints: ['check the address; for https with an own CA give --cacert F'],
  })
}
