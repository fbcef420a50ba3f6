/** The binary form of delegation tokens: identifier, password, kind and service. @see docs/protocols/hadoop-kms.md#delegation-tokens */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { invalidInput } from '@keyhsm/core'
import { FieldReader, FieldWriter } from './zero-compressed.js'

/** What a token says. Its bytes are what the password proves. */
export interface TokenIdentifier {
  /** Short names; `realUser` is empty unless a proxy user got the token. */
  readonly owner: string
  readonly renewer: string
  readonly realUser: string
  /** Milliseconds since 1970. */
  readonly issueDate: number
  readonly maxDate: number
  readonly sequenceNumber: number
  readonly masterKeyId: number
}

export interface DelegationToken {
  readonly identifier: TokenIdentifier
  /** As it was encoded: two encodings of one number exist, and only one was signed. */
  readonly identifierBytes: Buffer
  readonly password: Buffer
  readonly service: string
}

export const tokenKind = 'kms-dt'
const formatVersion = 0

export function formatIdentifier(identifier: TokenIdentifier): Buffer {
  const { owner, renewer, realUser, issueDate, maxDate, sequenceNumber, masterKeyId } = identifier
  return new FieldWriter()
    .byte(formatVersion)
    .text(owner)
    .text(renewer)
    .text(realUser)
    .long(issueDate)
    .long(maxDate)
    .long(sequenceNumber)
    .long(masterKeyId)
    .end()
}

/** @throws ERR_INVALID_INPUT */
export function parseIdentifier(bytes: Buffer): TokenIdentifier {
  const reader = new FieldReader(bytes)
  if (reader.byte() !== formatVersion) throw invalidInput('token', 'has an unknown version')
  const identifier: TokenIdentifier = {
    owner: reader.text(),
    renewer: reader.text(),
    realUser: reader.text(),
    issueDate: reader.long(),
    maxDate: reader.long(),
    sequenceNumber: reader.long(),
    masterKeyId: reader.long(),
  }
  reader.end()
  return identifier
}

/** The text that clients carry: URL-safe base64 without padding. */
export function formatToken(token: Omit<DelegationToken, 'identifier'>): string {
  return new FieldWriter()
    .bytes(token.identifierBytes)
    .bytes(token.password)
    .text(tokenKind)
    .text(token.service)
    .end()
    .toString('base64url')
}

/** @throws ERR_INVALID_INPUT for anything but a whole token of our kind. */
export function parseToken(text: string): DelegationToken {
  if (!/^[A-Za-z0-9_-]+={0,2}$/.test(text)) throw invalidInput('token', 'is not a delegation token')
  const reader = new FieldReader(Buffer.from(text, 'base64url'))
  const identifierBytes = reader.bytes()
  const password = reader.bytes()
  if (reader.text() !== tokenKind) throw invalidInput('token', 'is of another kind')
  // The client fills in its own; what stands there means nothing here.
  const service = reader.text()
  reader.end()
  return { identifier: parseIdentifier(identifierBytes), identifierBytes, password, service }
}

/** HMAC-SHA1 is the format's; the key is ours and long. */
export function tokenPassword(identifierBytes: Buffer, masterKey: Buffer): Buffer {
  return createHmac('sha1', masterKey).update(identifierBytes).digest()
}

export function isTokenPassword(token: DelegationToken, masterKey: Buffer): boolean {
  const expected = tokenPassword(token.identifierBytes, masterKey)
  return expected.length === token.password.length && timingSafeEqual(expected, token.password)
}

/** How the original names a token in messages. */
export function describeToken(identifier: TokenIdentifier): string {
  const { owner, renewer, realUser, issueDate, maxDate, sequenceNumber, masterKeyId } = identifier
  return `kms-dt owner=${owner}, renewer=${renewer}, realUser=${realUser}, issueDate=${issueDate}, maxDate=${maxDate}, sequenceNumber=${sequenceNumber}, masterKeyId=${masterKeyId}`
}
