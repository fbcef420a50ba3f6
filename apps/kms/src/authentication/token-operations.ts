/** Getting, renewing, cancelling and presenting delegation tokens. @see docs/protocols/hadoop-kms.md#delegation-tokens */
import { randomInt } from 'node:crypto'
import type { Clock } from '@keyhsm/core'
import { type ForeignReply, toReasonPhrase } from '@keyhsm/service'
import { notAuthorized, RemoteError, toErrorReply } from '../api/remote-error.js'
import type { AuditTrail } from '../audit/audit-trail.js'
import type { SharedSecrets } from '../shared/shared-secrets.js'
import type { Authentication } from './caller.js'
import type { Caller, Name } from './caller.js'
import {
  type DelegationToken,
  describeToken,
  formatIdentifier,
  formatToken,
  isTokenPassword,
  parseToken,
  tokenPassword,
  type TokenIdentifier,
} from './delegation-token.js'
import type { RequestParts } from './request-parts.js'
import type { TokenState, TokenStates } from './token-states.js'

const invalidToken = 'org.apache.hadoop.security.token.SecretManager$InvalidToken'
const accessControl = 'org.apache.hadoop.security.AccessControlException'

/** Operation → method. They are recognised on any path. */
const methods: Readonly<Record<string, string>> = {
  GETDELEGATIONTOKEN: 'GET',
  RENEWDELEGATIONTOKEN: 'PUT',
  CANCELDELEGATIONTOKEN: 'PUT',
}

export function isTokenOperation({ method, query }: RequestParts): boolean {
  return method !== 'OPTIONS' && Object.hasOwn(methods, operationOf(query))
}

function operationOf(query: URLSearchParams): string {
  return query.get('op')?.toUpperCase() ?? ''
}

/** Ways to find out who asks. */
export interface Asking {
  readonly byCookie: Caller | undefined
  /** By credentials of this request; tokens are none. */
  now(): Promise<Authentication>
  findProxyRefusal(real: string, effective: string): Promise<string | undefined>
  toName(full: string): Name
}

export interface TokenOperationsOptions {
  readonly secrets: SharedSecrets
  readonly states: TokenStates
  readonly audit: AuditTrail
  readonly clock: Clock
  readonly maxLifetimeMs: () => number
  readonly scheme: 'PseudoAuth' | 'Negotiate'
}

const maxSequence = 2 ** 31 - 1

export class TokenOperations {
  readonly #o: TokenOperationsOptions

  constructor(options: TokenOperationsOptions) {
    this.#o = options
  }

  /** The answer to a token operation; refusals are answers too. */
  async answer(parts: RequestParts, asking: Asking): Promise<ForeignReply> {
    const operation = operationOf(parts.query)
    const method = methods[operation]
    if (parts.method !== method)
      return plain(
        400,
        `Wrong HTTP method [${parts.method}] for operation [${operation}], it should be [${method}]`,
      )
    if (operation === 'CANCELDELEGATIONTOKEN') return this.#cancel(parts, asking)
    const asker = asking.byCookie ?? (await this.#askNow(asking))
    if ('reply' in asker) return asker.reply
    if (operation === 'RENEWDELEGATIONTOKEN') return this.#renew(parts, asker)
    return this.#get(parts, asker, asking)
  }

  /** Whom a presented token speaks for. @throws RemoteError 403; the codes of being unable to ask. */
  async verify(text: string): Promise<Caller> {
    const token = tryParse(text)
    if (!token) throw notAccepted('java.io.EOFException')
    const { identifier } = token
    if (!(await this.#isProved(token)))
      throw notAccepted(
        `${invalidToken}: token (${describeToken(identifier)}) can't be found in cache`,
      )
    const state = await this.#o.states.stateOf(token)
    if (state.cancelled)
      throw notAccepted(
        `${invalidToken}: token (${describeToken(identifier)}) can't be found in cache`,
      )
    if (state.expiresAt < this.#now())
      throw notAccepted(`${invalidToken}: token (${describeToken(identifier)}) is expired`)
    const { owner, realUser } = identifier
    const real =
      realUser !== '' && realUser !== owner ? { short: realUser, full: realUser } : undefined
    return { user: { short: owner, full: owner }, realUser: real, by: 'token' }
  }

  async #askNow(asking: Asking): Promise<Caller | { readonly reply: ForeignReply }> {
    const found = await asking.now()
    if ('caller' in found) return found.caller
    // observed: without credentials a KMS with simple authentication answers 403 here, not 401.
    if (found.reply.status !== 401 || this.#o.scheme === 'Negotiate') return found
    return { reply: { status: 403, headers: { 'www-authenticate': this.#o.scheme } } }
  }

  async #get(parts: RequestParts, asker: Caller, asking: Asking): Promise<ForeignReply> {
    const owner = parts.doAs === undefined ? asker.user : asking.toName(parts.doAs)
    const isProxied = owner.short !== asker.user.short
    if (isProxied) {
      const refused = await asking.findProxyRefusal(asker.user.short, owner.short)
      if (refused !== undefined) {
        const { peerAddress } = parts
        const op = 'GETDELEGATIONTOKEN'
        const status = 'UNAUTHORIZED'
        await this.#o.audit.record({ status, op, caller: asker, peerAddress, message: refused })
        return toErrorReply(notAuthorized(refused))
      }
    }
    const renewer = parts.query.get('renewer')
    const issueDate = this.#now()
    const { id, secret } = await this.#o.secrets.signing('masterKeys')
    const identifier: TokenIdentifier = {
      owner: owner.short,
      renewer: renewer ? asking.toName(renewer).short : asker.user.short,
      realUser: isProxied ? asker.user.short : '',
      issueDate,
      maxDate: issueDate + this.#o.maxLifetimeMs(),
      sequenceNumber: randomInt(1, maxSequence),
      masterKeyId: id,
    }
    const identifierBytes = formatIdentifier(identifier)
    const password = tokenPassword(identifierBytes, Buffer.from(secret, 'base64'))
    const service = parts.query.get('service') ?? ''
    await this.#audit(parts, { op: 'GETDELEGATIONTOKEN', caller: asker, identifier })
    return json({ Token: { urlString: formatToken({ identifierBytes, password, service }) } })
  }

  async #renew(parts: RequestParts, asker: Caller): Promise<ForeignReply> {
    const token = await this.#given(parts)
    if ('status' in token) return token
    const { identifier } = token
    const text = describeToken(identifier)
    const who = asker.user.short
    const asked = { op: 'RENEWDELEGATIONTOKEN', caller: asker, identifier }
    const refuse = async (words: string) => {
      await this.#audit(parts, { ...asked, status: 'UNAUTHORIZED' })
      return plain(403, words)
    }
    if (!(await this.#isProved(token)))
      return refuse(`${invalidToken}: Renewal request for unknown token (${text})`)
    if (identifier.renewer === '' || identifier.renewer !== who)
      return refuse(
        `${accessControl}: ${who} tries to renew a token (${text}) with non-matching renewer ${identifier.renewer}`,
      )
    try {
      const { expiresAt } = await this.#o.states.renew(token, (state) => {
        if (state.cancelled)
          throw new Refused(`${invalidToken}: Renewal request for unknown token (${text})`)
        if (this.#isOver(identifier, state))
          throw new Refused(
            `${invalidToken}: ${who} tried to renew an expired token (${text}) max expiration date: ${new Date(identifier.maxDate).toISOString()} currentTime: ${new Date(this.#now()).toISOString()}`,
          )
      })
      await this.#audit(parts, asked)
      return json({ long: expiresAt })
    } catch (error) {
      if (error instanceof Refused) return refuse(error.message)
      throw error
    }
  }

  /** Without a cookie the owner asks: having the token is enough, as its password is checked. */
  async #cancel(parts: RequestParts, asking: Asking): Promise<ForeignReply> {
    const token = await this.#given(parts)
    if ('status' in token) return token
    const { identifier } = token
    const owner = { short: identifier.owner, full: identifier.owner }
    const asker = asking.byCookie ?? { user: owner, by: 'token' as const }
    const may = [identifier.owner, identifier.renewer].includes(asker.user.short)
    const op = 'CANCELDELEGATIONTOKEN'
    const unknown = async () => {
      // Whose the token says it is was not proved.
      await this.#audit(parts, { op, caller: asking.byCookie, identifier, status: 'UNAUTHORIZED' })
      return plain(404, 'Invalid delegation token, cannot cancel')
    }
    if (!may || !(await this.#isProved(token))) return unknown()
    try {
      await this.#o.states.cancel(token, (state) => {
        if (state.cancelled) throw new Refused('cancelled')
      })
    } catch (error) {
      if (error instanceof Refused) return unknown()
      throw error
    }
    await this.#audit(parts, { op, caller: asker, identifier })
    return { status: 200 }
  }

  async #given(parts: RequestParts): Promise<DelegationToken | ForeignReply> {
    const text = parts.query.get('token')
    if (!text)
      return plain(400, `Operation [${operationOf(parts.query)}] requires the parameter [token]`)
    return tryParse(text) ?? plain(403, 'java.io.EOFException')
  }

  async #isProved(token: DelegationToken): Promise<boolean> {
    const { masterKeyId, maxDate } = token.identifier
    if (this.#now() > maxDate) return false
    const key = await this.#o.secrets.find('masterKeys', masterKeyId)
    return key !== undefined && isTokenPassword(token, Buffer.from(key.secret, 'base64'))
  }

  #isOver({ maxDate }: TokenIdentifier, { expiresAt }: TokenState): boolean {
    return Math.min(maxDate, expiresAt) < this.#now()
  }

  #now(): number {
    return this.#o.clock.now().getTime()
  }

  #audit(
    { peerAddress }: RequestParts,
    asked: {
      readonly op: string
      readonly caller: Caller | undefined
      readonly identifier: TokenIdentifier
      readonly status?: 'OK' | 'UNAUTHORIZED'
    },
  ): Promise<void> {
    const { op, caller, status = 'OK' } = asked
    const { owner, renewer, sequenceNumber } = asked.identifier
    const message = `owner=${owner} renewer=${renewer} sequenceNumber=${sequenceNumber}`
    return this.#o.audit.record({ status, op, caller, peerAddress, message })
  }
}

class Refused extends Error {}

function tryParse(text: string): DelegationToken | undefined {
  try {
    return parseToken(text)
  } catch {
    return undefined
  }
}

function notAccepted(message: string): RemoteError {
  return new RemoteError(403, 'authentication', message)
}

/** observed: the text is in the reason phrase, and the body is empty: clients would try to read it as JSON. */
function plain(status: number, text: string): ForeignReply {
  return { status, reason: toReasonPhrase(text) }
}

function json(value: object): ForeignReply {
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: `${JSON.stringify(value)}\n`,
  }
}
