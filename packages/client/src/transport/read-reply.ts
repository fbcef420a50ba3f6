/** A reply's bytes as the value that the route promises, or the error that the server threw. */
import { DomainError, type ErrorCode } from '@keyhsm/core'
import { fromProblem, type ReplyOf, type RouteSpec, signatureWindowMs } from '@keyhsm/protocol'
import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { ConnectionFault } from './faults.js'

export interface RawReply {
  readonly status: number
  readonly text: string
  readonly retryAfter: string | undefined
  /** When the server answered, by its own clock. */
  readonly date: string | undefined
}

/**
 * `now`: when the reply came, by our clock.
 * @throws the error of the problem document; ERR_UNAVAILABLE for a reply that is not what the route promises.
 */
export function readReply<Spec extends RouteSpec>(
  spec: Spec,
  reply: RawReply,
  now: Date,
): ReplyOf<Spec> {
  const body = parseJson(reply.text)
  if (reply.status < 200 || reply.status > 299) throw problemOf(reply, body, now)
  if (!validatorOf(spec.reply).Check(body))
    throw new DomainError('ERR_UNAVAILABLE', 'the server gave an answer that is not understood', {
      cause: new ConnectionFault(undefined, true),
      hints: ['client and server may be of different versions'],
    })
  return body as ReplyOf<Spec>
}

const validators = new WeakMap<TSchema, Validator>()

function validatorOf(schema: TSchema): Validator {
  let validator = validators.get(schema)
  if (!validator) {
    validator = Compile(schema)
    validators.set(schema, validator)
  }
  return validator
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Errors whose reason stands in the server's audit and nowhere else. */
const auditedCodes: ReadonlySet<ErrorCode> = new Set([
  'ERR_IRRETRIEVABLE',
  'ERR_INTEGRITY',
  'ERR_INTERNAL',
  'ERR_NOT_ALLOWED',
  'ERR_HSM_REFUSED',
  'ERR_HSM_UNAVAILABLE',
  'ERR_WRONG_PARTITION',
  'ERR_STORE_UNAVAILABLE',
  'ERR_AUDIT_UNAVAILABLE',
])

function problemOf(reply: RawReply, body: unknown, now: Date): DomainError {
  const error = fromProblem(reply.status, body)
  const requestId = (body as { requestId?: unknown } | undefined)?.requestId
  const retryAfterMs = error.retryAfterMs ?? parseRetryAfter(reply.retryAfter)
  const audited = auditedCodes.has(error.code) && typeof requestId === 'string'
  const hints = [
    ...(audited ? [`the server's audit has the reason under request ${requestId}`] : []),
    ...(error.code === 'ERR_NOT_AUTHENTICATED' ? clockHints(reply.date, now) : []),
  ]
  return new DomainError(error.code, error.message, {
    faults: error.faults,
    hints,
    elsewhere: error.elsewhere,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

/** A signature is as good as unknown when its time is not the server's. */
function clockHints(date: string | undefined, now: Date): string[] {
  const aheadMs = now.getTime() - Date.parse(date ?? '')
  if (!(Math.abs(aheadMs) > signatureWindowMs)) return []
  const seconds = Math.round(Math.abs(aheadMs) / 1000)
  return [`the clock here is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the server's`]
}

/** Seconds only; a date in this header is not used by our servers. @see RFC 9110 §10.2.3 */
function parseRetryAfter(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : undefined
}
