/**
 * What a client signs when it asks for a deposit that has trustees, and what a trustee signs who approves: one statement in
 * one canonical encoding, under two contexts. Key HSM, the Trustee Server and both kinds of clients import this file.
 *
 * @see docs/formats/approval.md
 */
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'

/** One retrieval that is asked for. */
export interface RetrievalStatement {
  /** Uuids. */
  readonly organisation: string
  readonly deposit: string
  /** Counted from 1. */
  readonly revision: number
  /** Uuid of the client that asks. */
  readonly client: string
  /** Its identity key: raw Ed25519, 32 bytes. */
  readonly clientKey: Buffer
  /** Uuid; used once. */
  readonly request: string
  readonly expiresAt: Date
}

/** What the signature says about the statement. */
export type StatementPurpose = 'request' | 'approval'

const magic = Buffer.from('KHAP')
const version = 1
const contexts: Readonly<Record<StatementPurpose, Buffer>> = {
  request: Buffer.from('keyhsm retrieval request v1\n'),
  approval: Buffer.from('keyhsm retrieval approval v1\n'),
}
export const identityKeyBytes = 32
export const signatureBytes = 64

/** 113 bytes. @throws RangeError for values that cannot be encoded: they are checked before. */
export function formatRetrieval(statement: RetrievalStatement): Buffer {
  if (statement.clientKey.length !== identityKeyBytes) throw new RangeError('clientKey')
  const numbers = Buffer.alloc(4)
  numbers.writeUInt32BE(statement.revision)
  const expires = Buffer.alloc(8)
  expires.writeBigUInt64BE(BigInt(statement.expiresAt.getTime()))
  return Buffer.concat([
    magic,
    Buffer.of(version),
    uuidBytes(statement.organisation),
    uuidBytes(statement.deposit),
    numbers,
    uuidBytes(statement.client),
    statement.clientKey,
    uuidBytes(statement.request),
    expires,
  ])
}

/** @param privateKey Ed25519 identity key. @returns 64 bytes. */
export function signRetrieval(
  statement: RetrievalStatement,
  purpose: StatementPurpose,
  privateKey: KeyObject,
): Buffer {
  return sign(null, Buffer.concat([contexts[purpose], formatRetrieval(statement)]), privateKey)
}

/** Whether the holder of `key` (raw Ed25519) signed this very statement for this purpose. Never throws. */
export function isRetrievalSigned(
  statement: RetrievalStatement,
  purpose: StatementPurpose,
  { key, signature }: { readonly key: Buffer; readonly signature: Buffer },
): boolean {
  if (key.length !== identityKeyBytes || signature.length !== signatureBytes) return false
  try {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: key.toString('base64url') }
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' })
    const message = Buffer.concat([contexts[purpose], formatRetrieval(statement)])
    return verify(null, message, publicKey, signature)
  } catch {
    return false
  }
}

const recipientContext = Buffer.from('keytrustee recipient v1\n')

/** The signature by which an identity key vouches for its client's age recipient. */
export function signRecipient(recipient: string, privateKey: KeyObject): Buffer {
  return sign(null, Buffer.concat([recipientContext, Buffer.from(recipient)]), privateKey)
}

/** Whether the holder of `identityKey` vouched for this recipient. */
export function isRecipientSigned(
  recipient: string,
  identityKey: KeyObject,
  signature: Buffer,
): boolean {
  return verify(
    null,
    Buffer.concat([recipientContext, Buffer.from(recipient)]),
    identityKey,
    signature,
  )
}

function uuidBytes(uuid: string): Buffer {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex')
  if (bytes.length !== 16) throw new RangeError('uuid')
  return bytes
}
