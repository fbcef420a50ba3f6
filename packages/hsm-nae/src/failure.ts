/** The two ways in which a request of this protocol fails, before they become errors of ours. */
import { DomainError } from '@keyhsm/core'
import { classifyFailure, type FailureClass } from './dialect/failure-classes.js'

/** The appliance answered, and said no. */
export class NaeRefusal extends Error {
  readonly means: FailureClass
  /** The appliance closes the connection after this answer. */
  readonly fatal: boolean
  readonly request: string
  /** What the appliance said, at most 200 printable characters. It may name a key; it holds nothing that we sent in secret. */
  readonly said: string

  constructor(request: string, errorString: string, fatal: boolean) {
    const said = errorString.replaceAll(/[^ -~]/g, '?').slice(0, 200)
    super(`${request} was refused${said === '' ? '' : `: ${said}`}`)
    this.name = 'NaeRefusal'
    this.means = classifyFailure(errorString)
    this.fatal = fatal
    this.request = request
    this.said = said
  }
}

/** Why nothing could be asked, or no answer came. */
export type LinkFault =
  | 'unknown-host'
  | 'refused'
  | 'no-answer'
  | 'lost'
  | 'not-tls'
  | 'tls-only'
  | 'tls-failed'
  | 'certificate-changed'
  | 'certificate-untrusted'
  | 'client-certificate-required'
  | 'not-nae-xml'
  | 'closed'

/** The connection failed. */
export class LinkError extends Error {
  readonly fault: LinkFault
  /** True when the appliance may have carried out what was asked. */
  readonly sent: boolean

  constructor(fault: LinkFault, text: string, options: { sent?: boolean; cause?: unknown } = {}) {
    super(text, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'LinkError'
    this.fault = fault
    this.sent = options.sent ?? false
  }
}

const unavailable = 'the HSM cannot be asked now'

/** A connection fault as callers see it. The certificate's two fingerprints are part of it: they are no secret. */
export function linkToError(error: LinkError): DomainError {
  if (error.fault === 'certificate-changed') {
    return new DomainError('ERR_HSM_UNAVAILABLE', error.message, {
      cause: error,
      retryAfterMs: 60_000,
      hints: ['if the new certificate is right: run `keyhsm setup keysecure --trust-only`'],
    })
  }
  return new DomainError('ERR_HSM_UNAVAILABLE', unavailable, { cause: error, retryAfterMs: 1000 })
}

/** A refusal of the login; latched by whoever gets it. */
export function loginRefused(refusal?: NaeRefusal): DomainError {
  return new DomainError('ERR_HSM_LOGIN', 'the HSM refused the login', {
    ...(refusal === undefined ? {} : { cause: refusal }),
    hints: ['check user and password, then run `keyhsm setup keysecure`'],
  })
}

/** A refusal that needs no further question. */
export function refusalToError(refusal: NaeRefusal): DomainError {
  const { code, detail } = errorsOfClass[refusal.means] ?? refused
  const retry = code === 'ERR_HSM_UNAVAILABLE' ? { retryAfterMs: 1000 } : {}
  return new DomainError(code, detail, { cause: refusal, ...retry })
}

/** Whatever a verb throws, as an error of ours. */
export function toPublicError(error: unknown): unknown {
  if (error instanceof NaeRefusal) return refusalToError(error)
  return error instanceof LinkError ? linkToError(error) : error
}

const refused = { code: 'ERR_HSM_REFUSED', detail: 'the HSM refused' } as const

const errorsOfClass: Readonly<
  Partial<
    Record<
      FailureClass,
      {
        code: 'ERR_HSM_UNAVAILABLE' | 'ERR_HSM_REFUSED' | 'ERR_HSM_FULL' | 'ERR_HSM_NOT_SUPPORTED'
        detail: string
      }
    >
  >
> = {
  busy: { code: 'ERR_HSM_UNAVAILABLE', detail: 'the HSM is busy' },
  'session-lost': { code: 'ERR_HSM_UNAVAILABLE', detail: unavailable },
  full: { code: 'ERR_HSM_FULL', detail: 'the HSM has no room for another key' },
  'not-supported': { code: 'ERR_HSM_NOT_SUPPORTED', detail: 'the HSM does not support that' },
  'key-disabled': { code: 'ERR_HSM_REFUSED', detail: 'the HSM key may not do that' },
  forbidden: { code: 'ERR_HSM_REFUSED', detail: 'the HSM user may not do that' },
  'key-operations-off': {
    code: 'ERR_HSM_REFUSED',
    detail:
      'the HSM allows no key operations: enable "Allow Key and Policy Configuration Operations"',
  },
  'crypto-operations-off': {
    code: 'ERR_HSM_UNAVAILABLE',
    detail: 'the HSM does no crypto operations: activate "KeySecure Crypto Operations"',
  },
}
