/** Errors of sockets, TLS and HTTP parsing become DomainErrors here, by their codes. */
import { DomainError, type ErrorCode } from '@keyhsm/core'

/** Why a request got no readable reply; the `cause` of the DomainError that callers see. */
export class ConnectionFault extends Error {
  /** False when the request certainly did not reach the server's handlers. */
  readonly mayHaveBeenProcessed: boolean

  constructor(cause: unknown, mayHaveBeenProcessed: boolean) {
    super('connection fault', { cause })
    this.name = 'ConnectionFault'
    this.mayHaveBeenProcessed = mayHaveBeenProcessed
  }
}

/** Marks an error of connecting: nothing of the request was sent. */
export class ConnectFailure extends Error {
  constructor(cause: unknown) {
    super('connect failure', { cause })
    this.name = 'ConnectFailure'
  }
}

/** Thrown by our own check of the server's certificate. */
export class WrongServer extends Error {
  readonly code = 'WRONG_SERVER'
}

/**
 * Whether the work behind a failed call may have been done: the connection broke, or the server answered without
 * knowing. Only then does a caller have to ask what happened, or repeat the call under the same request id.
 */
export function mayHaveBeenProcessed(error: unknown): boolean {
  if (!(error instanceof DomainError)) return true
  if (error.cause instanceof ConnectionFault) return error.cause.mayHaveBeenProcessed
  return uncertainCodes.has(error.code)
}

/** Replies that say the server met a fault, not that it refused. */
const uncertainCodes: ReadonlySet<ErrorCode> = new Set([
  'ERR_INTERNAL',
  'ERR_UNAVAILABLE',
  'ERR_HSM_UNAVAILABLE',
  'ERR_STORE_UNAVAILABLE',
  'ERR_AUDIT_UNAVAILABLE',
])

interface Meaning {
  readonly code: ErrorCode
  readonly words: string
  /** The exchange ended before any handler ran, although bytes may have been written. */
  readonly unprocessed?: true
}

const refusedCertificate: Meaning = {
  code: 'ERR_NOT_AUTHENTICATED',
  words: 'the server did not accept the client certificate',
  unprocessed: true,
}

function wrongServer(reason: string): Meaning {
  return {
    code: 'ERR_NOT_AUTHENTICATED',
    words: `the server's certificate is not trusted: ${reason}`,
    unprocessed: true,
  }
}

function unreachable(words: string): Meaning {
  return { code: 'ERR_UNAVAILABLE', words, unprocessed: true }
}

const notPinned = wrongServer('it is not the pinned one').words

/** By the codes of libuv, Node's TLS, OpenSSL's alerts and undici. */
const meanings: Readonly<Record<string, Meaning>> = {
  ECONNREFUSED: unreachable('connection refused'),
  ENOENT: unreachable('it is not running here'),
  ENOTFOUND: unreachable('the host name is not known'),
  EAI_AGAIN: unreachable('the host name cannot be looked up now'),
  EHOSTUNREACH: unreachable('no route to the host'),
  ENETUNREACH: unreachable('the network is unreachable'),
  ETIMEDOUT: unreachable('no answer to the connection attempt'),
  UND_ERR_CONNECT_TIMEOUT: unreachable('no answer to the connection attempt'),
  EACCES: { code: 'ERR_NOT_ALLOWED', words: 'permission denied', unprocessed: true },
  EPROTO: unreachable('it does not speak TLS as expected'),
  ERR_SSL_WRONG_VERSION_NUMBER: unreachable('it does not speak TLS'),
  ERR_SSL_PACKET_LENGTH_TOO_LONG: unreachable('it does not speak TLS'),
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: unreachable('it does not speak TLS 1.2 or 1.3'),
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: refusedCertificate,
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: refusedCertificate,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: refusedCertificate,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: refusedCertificate,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: refusedCertificate,
  ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: refusedCertificate,
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: refusedCertificate,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: refusedCertificate,
  ERR_SSL_TLSV1_ALERT_ACCESS_DENIED: refusedCertificate,
  WRONG_SERVER: wrongServer('it is not the pinned one'),
  DEPTH_ZERO_SELF_SIGNED_CERT: wrongServer('it is not the pinned one'),
  SELF_SIGNED_CERT_IN_CHAIN: wrongServer('its authority is not the pinned one'),
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: wrongServer('it is not the pinned one'),
  UNABLE_TO_GET_ISSUER_CERT: wrongServer('its authority is not the pinned one'),
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: wrongServer('its authority is not the pinned one'),
  CERT_SIGNATURE_FAILURE: wrongServer('its signature is wrong'),
  CERT_HAS_EXPIRED: wrongServer('it has expired'),
  CERT_NOT_YET_VALID: wrongServer('it is not valid yet'),
  INVALID_PURPOSE: wrongServer('it is not a server certificate'),
  ERR_TLS_CERT_ALTNAME_INVALID: wrongServer('it names another host'),
  ECONNRESET: { code: 'ERR_UNAVAILABLE', words: 'the connection was closed' },
  EPIPE: { code: 'ERR_UNAVAILABLE', words: 'the connection was closed' },
  UND_ERR_SOCKET: { code: 'ERR_UNAVAILABLE', words: 'the connection was closed' },
  UND_ERR_HEADERS_TIMEOUT: { code: 'ERR_UNAVAILABLE', words: 'no answer in time' },
  UND_ERR_BODY_TIMEOUT: { code: 'ERR_UNAVAILABLE', words: 'no answer in time' },
  DEADLINE: { code: 'ERR_UNAVAILABLE', words: 'no answer in time' },
  UND_ERR_RES_EXCEEDED_MAX_SIZE: { code: 'ERR_UNAVAILABLE', words: 'the answer is too large' },
  UND_ERR_ABORTED: { code: 'ERR_UNAVAILABLE', words: 'the request was given up' },
}

const unknownFault: Meaning = { code: 'ERR_UNAVAILABLE', words: 'the connection failed' }

/** `thrown` by undici while talking to `peer` (a URL or `the control socket`). */
export function fromConnectionError(thrown: unknown, peer: string): DomainError {
  if (thrown instanceof DomainError) return thrown
  const connecting = thrown instanceof ConnectFailure
  const origin = connecting ? thrown.cause : thrown
  const { code, words, unprocessed } = findMeaning(origin)
  return new DomainError(code, `cannot talk to ${peer}: ${words}`, {
    cause: new ConnectionFault(origin, !connecting && unprocessed !== true),
    hints: hasExpired(origin)
      ? [
          'renew it there (Key HSM: keyhsm cert renew), then trust the new one here (ktadmin keyhsm --server URL --trust)',
        ]
      : wasCutOff(origin)
        ? ['perhaps the server does not accept this client certificate']
        : [],
  })
}

function hasExpired(origin: unknown): boolean {
  return origin instanceof Error && 'code' in origin && origin.code === 'CERT_HAS_EXPIRED'
}

/** observed: Node's TLS servers close without an alert when they do not trust the certificate of a TLS 1.3 client. */
function wasCutOff(origin: unknown): boolean {
  if (!(origin instanceof Error) || !('code' in origin) || !('socket' in origin)) return false
  const { bytesRead, remotePort } = origin.socket as { bytesRead?: number; remotePort?: number }
  return origin.code === 'UND_ERR_SOCKET' && bytesRead === 0 && remotePort !== undefined
}

/** True when connecting failed because the server showed a certificate that is not pinned. */
export function showsOtherCertificate(error: unknown): boolean {
  return error instanceof ConnectFailure && findMeaning(error.cause).words === notPinned
}

/** Node reports several failed addresses of one host as an AggregateError whose `code` is that of the first. */
function findMeaning(origin: unknown): Meaning {
  const code = origin instanceof Error && 'code' in origin ? String(origin.code) : ''
  return meanings[code] ?? unknownFault
}
