/**
 * How an administrator's request proves who sent it on a control socket, where there is no TLS: one header with an Ed25519
 * signature over method, request target, time, nonce and body. The signing side and the parts both sides share are here;
 * checking the signature against known keys and refusing replays is the service's part.
 */
import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto'

export const signatureHeader = 'keyhsm-signature'

/** How far a signature's time may be from the receiver's clock; both run on one machine. */
export const signatureWindowMs = 30_000

export interface SignableRequest {
  readonly method: string
  /** The request target as it is sent: path and query, percent-encoded. */
  readonly path: string
  /** The bytes as sent; empty when there is no body. */
  readonly body: Buffer
}

/** The fields of the header: `<name>.<unix-ms>.<nonce>.<signature>`, the last two base64url. */
export interface RequestSignature {
  readonly name: string
  readonly unixMs: number
  /** 16 random bytes as base64url: 22 characters. */
  readonly nonce: string
  /** Ed25519: 64 bytes. */
  readonly signature: Buffer
}

export interface AdministratorKey {
  /** The administrator's name, as the service knows it. */
  readonly name: string
  /** Ed25519. */
  readonly privateKey: KeyObject
}

/** The bytes that are signed. The name is in them, so that one key under two names cannot be confused. */
export function signedMessage(
  request: SignableRequest,
  by: Pick<RequestSignature, 'name' | 'unixMs' | 'nonce'>,
): Buffer {
  const bodyHash = createHash('sha256').update(request.body).digest('hex')
  return Buffer.from(
    `keyhsm-signature-v1\n${by.name}\n${request.method}\n${request.path}\n${by.unixMs}\n${by.nonce}\n${bodyHash}`,
  )
}

/** The header that proves `key` sends this request now. Each call makes another nonce: sign again to send again. */
export function signRequest(
  key: AdministratorKey,
  request: SignableRequest & { readonly now: Date },
): Record<string, string> {
  const by = {
    name: key.name,
    unixMs: request.now.getTime(),
    nonce: randomBytes(16).toString('base64url'),
  }
  const signature = sign(null, signedMessage(request, by), key.privateKey).toString('base64url')
  return { [signatureHeader]: `${by.name}.${by.unixMs}.${by.nonce}.${signature}` }
}

/** Names may hold dots, so the fields are taken from the right; only the one spelling that signing makes is read. */
const headerPattern =
  /^([A-Za-z0-9][A-Za-z0-9._-]{0,63})\.(0|[1-9]\d{0,14})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{86})$/

/** The header's fields, or undefined when it has another form. Proves nothing yet. */
export function parseRequestSignature(header: string | undefined): RequestSignature | undefined {
  const [, name, unixMs, nonce, text] = headerPattern.exec(header ?? '') ?? []
  if (name === undefined || unixMs === undefined || nonce === undefined || text === undefined)
    return undefined
  const signature = Buffer.from(text, 'base64url')
  return signature.toString('base64url') === text
    ? { name, unixMs: Number(unixMs), nonce, signature }
    : undefined
}
