/**
 * Who calls: cookie, delegation token, or credentials of now; then, for whom. The order is the protocol's.
 * @see docs/protocols/hadoop-kms.md#authentication
 */
import { type Clock, hasCode, toDomainError } from '@keyhsm/core'
import { type ForeignReply, toReasonPhrase } from '@keyhsm/service'
import { notAuthorized, RemoteError, toErrorReply } from '../api/remote-error.js'
import type { ProxyUsers } from '../access/proxy-users.js'
import type { SharedSecrets } from '../shared/shared-secrets.js'
import type { NameRules } from './auth-to-local.js'
import type { Authentication, Caller, Name, ReplyHeaders } from './caller.js'
import type { RequestParts } from './request-parts.js'
import {
  type CookieClaims,
  formatSetCookie,
  isOver,
  openCookie,
  signCookie,
} from './signed-cookie.js'
import { isTokenOperation, type TokenOperations } from './token-operations.js'

/** Accepts one SPNEGO or Kerberos token; `spnego.ts` is the one in use. */
export interface Negotiator {
  /** @returns the principal and the token for the client. @throws ERR_NOT_AUTHENTICATED with the reason. */
  accept(token: Buffer): Promise<{ readonly principal: string; readonly reply: Buffer }>
}

export interface AuthenticationSettings {
  readonly type: 'simple' | 'kerberos'
  readonly cookieValidityMs: number
  /** Unused for so long, a cookie ends; it is written anew with each request. Undefined: it ends at its time only. */
  readonly cookieIdleMs?: number | undefined
  readonly cookieDomain: string | undefined
  readonly cookiePath: string | undefined
  readonly cookiePersistent: boolean
  /** Secret of a file, shared with other programs; absent: the instances' own rotating ones. */
  readonly signatureSecret: Buffer | undefined
}

export interface AuthenticatorOptions {
  readonly settings: AuthenticationSettings
  readonly secrets: SharedSecrets
  readonly tokens: TokenOperations
  readonly rules: NameRules
  readonly proxies: ProxyUsers
  readonly negotiator: Negotiator | undefined
  readonly clock: Clock
  /** Told of every final answer to somebody who is not believed; `caller` is who wanted to act for another. */
  onUnauthenticated(parts: RequestParts, message: string, caller?: Caller): Promise<void>
}

/** Cookies whose signatures were checked already, and for how long that holds: a secret that was taken away ends its cookies. */
const maxChecked = 10_000
const checkedForMs = 60_000

interface Checked {
  readonly claims: CookieClaims
  readonly at: number
}

export class Authenticator {
  readonly #o: AuthenticatorOptions
  readonly #checked = new Map<string, Checked>()

  constructor(options: AuthenticatorOptions) {
    this.#o = options
  }

  async authenticate(parts: RequestParts): Promise<Authentication> {
    const cookie = parts.cookie === undefined ? undefined : await this.#openCookie(parts.cookie)
    const known = typeof cookie === 'object' ? cookie : undefined
    if (isTokenOperation(parts)) return { reply: await this.#tokenOperation(parts, known) }
    if (known)
      return this.#actFor(parts, toCaller(known, 'cookie'), await this.#usedAgain(parts, known))
    if (parts.token !== undefined) return this.#byToken(parts, parts.token)
    const fresh = await this.#freshly(parts, typeof cookie === 'string' ? cookie : undefined)
    if ('reply' in fresh) return fresh
    return this.#actFor(parts, fresh.caller, await this.#withCookie(parts, fresh))
  }

  /** Claims, or why the cookie is not believed: that is not final, other credentials may do. */
  async #openCookie(value: string): Promise<CookieClaims | string> {
    const now = this.#o.clock.now().getTime()
    const checked = this.#checked.get(value)
    if (checked && now - checked.at < checkedForMs && !isOver(checked.claims, now))
      return checked.claims
    const { signatureSecret, type } = this.#o.settings
    const secrets = signatureSecret
      ? [signatureSecret]
      : (await this.#o.secrets.accepted('cookies')).map(({ secret }) =>
          Buffer.from(secret, 'base64'),
        )
    const opened = openCookie(value, secrets, now)
    if (typeof opened === 'string') return opened
    if (opened.type !== `${type}-dt`) return 'Invalid AuthenticationToken type'
    if (this.#checked.size >= maxChecked) this.#checked.clear()
    this.#checked.set(value, { claims: opened, at: now })
    return opened
  }

  async #tokenOperation(
    parts: RequestParts,
    cookie: CookieClaims | undefined,
  ): Promise<ForeignReply> {
    return this.#o.tokens.answer(parts, {
      byCookie: cookie && toCaller(cookie, 'cookie'),
      now: () => this.#freshly(parts, undefined),
      findProxyRefusal: (real, effective) =>
        this.#o.proxies.findRefusal(real, effective, parts.peerAddress),
      toName: (full) => this.#toOther(full),
    })
  }

  /** No cookie is given for a token, and `doAs` means nothing with one. */
  async #byToken(parts: RequestParts, text: string): Promise<Authentication> {
    try {
      return { caller: await this.#o.tokens.verify(text), headers: {} }
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error
      await this.#o.onUnauthenticated(parts, error.message)
      return { reply: toErrorReply(error) }
    }
  }

  async #freshly(parts: RequestParts, earlier: string | undefined): Promise<Authentication> {
    if (this.#o.settings.type === 'kerberos') return this.#negotiate(parts, earlier)
    const name = parts.query.get('user.name')
    if (name)
      return { caller: { user: this.#toName(requireName(name)), by: 'simple' }, headers: {} }
    return this.#unknown(parts, earlier ?? 'Authentication required', 'PseudoAuth')
  }

  async #negotiate(parts: RequestParts, earlier: string | undefined): Promise<Authentication> {
    const text = /^Negotiate\s+(\S+)$/i.exec(parts.authorization?.trim() ?? '')?.[1]
    const { negotiator } = this.#o
    if (text === undefined || !negotiator)
      return this.#unknown(parts, earlier ?? 'Authentication required', 'Negotiate')
    try {
      // libhdfs3 writes the URL-safe alphabet; Node reads both.
      const { principal, reply } = await negotiator.accept(Buffer.from(text, 'base64'))
      return {
        caller: { user: this.#toName(requireName(principal)), by: 'kerberos' },
        headers: { 'www-authenticate': `Negotiate ${reply.toString('base64')}` },
      }
    } catch (error) {
      const { code, message } = toDomainError(error)
      if (code !== 'ERR_NOT_AUTHENTICATED') throw error
      await this.#o.onUnauthenticated(parts, message)
      return { reply: refusal(403, message, parts.secure, {}) }
    }
  }

  async #unknown(parts: RequestParts, reason: string, scheme: string): Promise<Authentication> {
    if (parts.method !== 'OPTIONS') await this.#o.onUnauthenticated(parts, reason)
    return { reply: refusal(401, reason, parts.secure, { 'www-authenticate': scheme }) }
  }

  async #withCookie(
    parts: RequestParts,
    { caller, headers }: { readonly caller: Caller; readonly headers: ReplyHeaders },
  ): Promise<ReplyHeaders> {
    const expiresAt = this.#o.clock.now().getTime() + this.#o.settings.cookieValidityMs
    const { short: user, full: principal } = caller.user
    const type = `${this.#o.settings.type}-dt`
    const cookie = await this.#sign(parts, { user, principal, type, expiresAt })
    return { ...headers, 'set-cookie': cookie }
  }

  /** A cookie that ends when it is not used gets a later end with each use. */
  async #usedAgain(parts: RequestParts, claims: CookieClaims): Promise<ReplyHeaders> {
    if (this.#o.settings.cookieIdleMs === undefined) return {}
    return { 'set-cookie': await this.#sign(parts, claims) }
  }

  async #sign(parts: RequestParts, claims: CookieClaims): Promise<string> {
    const { settings, clock, secrets } = this.#o
    const { cookieIdleMs, cookiePersistent, cookieDomain: domain, cookiePath: path } = settings
    const { expiresAt } = claims
    const secret =
      settings.signatureSecret ?? Buffer.from((await secrets.signing('cookies')).secret, 'base64')
    const idle =
      cookieIdleMs === undefined ? {} : { idleUntil: clock.now().getTime() + cookieIdleMs }
    const value = signCookie({ ...claims, ...idle }, secret)
    return formatSetCookie(value, {
      domain,
      path,
      persistentUntil: cookiePersistent ? new Date(expiresAt) : undefined,
      secure: parts.secure,
    })
  }

  async #actFor(
    parts: RequestParts,
    caller: Caller,
    headers: ReplyHeaders,
  ): Promise<Authentication> {
    if (parts.doAs === undefined || parts.doAs === caller.user.short) return { caller, headers }
    const effective = this.#toOther(parts.doAs)
    const { short } = caller.user
    const refused = await this.#o.proxies.findRefusal(short, effective.short, parts.peerAddress)
    if (refused !== undefined) {
      await this.#o.onUnauthenticated(parts, refused, caller)
      return { reply: withHeaders(toErrorReply(notAuthorized(refused)), headers) }
    }
    return { caller: { user: effective, realUser: caller.user, by: caller.by }, headers }
  }

  /** Somebody whom the caller names. @throws RemoteError 400 for what no rule makes a name of: that is the caller's fault. */
  #toOther(full: string): Name {
    try {
      return this.#toName(requireName(full))
    } catch (error) {
      if (!hasCode(error, 'ERR_NOT_AUTHENTICATED')) throw error
      throw new RemoteError(400, 'illegalArgument', toDomainError(error).message)
    }
  }

  #toName(full: string): Name {
    if (!/[@/]/.test(full)) return { short: full, full }
    // Simple authentication has no realm of its own that rules could know.
    if (this.#o.settings.type === 'simple') return { short: full.split(/[@/]/, 1)[0] || full, full }
    return { short: this.#o.rules.shortName(full), full }
  }
}

/** Cookie and audit hold names between `&`, `,` and line ends. */
function requireName(name: string): string {
  if (name.length <= 255 && !/[&\p{Cc}]/u.test(name) && name.trim() !== '') return name
  throw new RemoteError(400, 'illegalArgument', 'the user name is not valid')
}

function toCaller({ user, principal }: CookieClaims, by: Caller['by']): Caller {
  return { user: { short: user, full: principal }, by }
}

/** No JSON: the meaning is in the reason phrase. The cookie is taken back. */
function refusal(
  status: number,
  reason: string,
  secure: boolean,
  headers: Readonly<Record<string, string>>,
): ForeignReply {
  const phrase = toReasonPhrase(reason)
  return {
    status,
    reason: phrase,
    headers: {
      ...headers,
      'set-cookie': formatSetCookie('', { secure }),
      'content-type': 'text/plain; charset=utf-8',
    },
    body: `${phrase}\n`,
  }
}

function withHeaders(reply: ForeignReply, headers: ReplyHeaders): ForeignReply {
  return { ...reply, headers: { ...reply.headers, ...headers } }
}
