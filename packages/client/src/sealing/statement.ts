/**
 * What the writer of client-sealed content says about it, signed with the writer's identity key: age keeps content secret
 * but proves no sender, so without this anyone who knows a reader's recipient could put words into a writer's mouth.
 *
 * @see docs/formats/client-sealed.md
 */
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { type Handle, parseHandle, parseUuid, type Uuid } from '@keyhsm/core'

export interface Statement {
  readonly organisation: Uuid
  readonly handle: Handle
  /** SHA-256, 32 bytes. */
  readonly contentDigest: Buffer
  /** Raw Ed25519 public key, 32 bytes. */
  readonly writer: Buffer
  /** Whole milliseconds. */
  readonly writtenAt: Date
}

/** A statement with its signature and what follows it. */
export interface SignedContent {
  readonly statement: Statement
  /** The bytes that the signature covers. */
  readonly statementBytes: Buffer
  readonly signature: Buffer
  readonly content: Buffer
}

const magic = Buffer.from('KTSC')
const version = 1
const fixedBytes = 94
const signatureBytes = 64
const digestBytes = 32
const keyBytes = 32
/** So that the identity key's signatures over other things never pass as statements. */
const signatureContext = Buffer.from('keytrustee signed content v1\n')
/** Largest instant of a JavaScript Date, in milliseconds. */
const maxInstantMs = 8.64e15

/** SHA-256. */
export function digestOf(content: Uint8Array): Buffer {
  return createHash('sha256').update(content).digest()
}

/** The statement's canonical bytes, magic and version first. */
export function formatStatement(statement: Statement): Buffer {
  const handle = Buffer.from(statement.handle, 'ascii')
  const bytes = Buffer.alloc(fixedBytes + handle.length)
  magic.copy(bytes, 0)
  bytes.writeUInt8(version, 4)
  Buffer.from(statement.organisation.replaceAll('-', ''), 'hex').copy(bytes, 5)
  bytes.writeBigUInt64BE(BigInt(statement.writtenAt.getTime()), 21)
  statement.contentDigest.copy(bytes, 29, 0, digestBytes)
  statement.writer.copy(bytes, 61, 0, keyBytes)
  bytes.writeUInt8(handle.length, 93)
  handle.copy(bytes, fixedBytes)
  return bytes
}

/** Statement, signature and content as the bytes that go into the age file. */
export function formatSignedContent(
  statement: Statement,
  signature: Buffer,
  content: Uint8Array,
): Buffer {
  return Buffer.concat([formatStatement(statement), signature, content])
}

/** The reverse of {@link formatSignedContent}; undefined for anything else. Proves nothing yet. */
export function parseSignedContent(bytes: Buffer): SignedContent | undefined {
  if (bytes.length < fixedBytes + signatureBytes) return undefined
  if (!bytes.subarray(0, 4).equals(magic) || bytes[4] !== version) return undefined
  const end = fixedBytes + bytes.readUInt8(93)
  if (bytes.length < end + signatureBytes) return undefined
  const statementBytes = bytes.subarray(0, end)
  const statement = parseStatement(statementBytes)
  if (statement === undefined) return undefined
  const signature = bytes.subarray(end, end + signatureBytes)
  return { statement, statementBytes, signature, content: bytes.subarray(end + signatureBytes) }
}

function parseStatement(bytes: Buffer): Statement | undefined {
  const instantMs = bytes.readBigUInt64BE(21)
  if (instantMs > BigInt(maxInstantMs)) return undefined
  try {
    return {
      organisation: parseUuid(formatUuid(bytes.subarray(5, 21))),
      handle: parseHandle(bytes.subarray(fixedBytes).toString('latin1')),
      contentDigest: bytes.subarray(29, 61),
      writer: bytes.subarray(61, 93),
      writtenAt: new Date(Number(instantMs)),
    }
  } catch {
    return undefined
  }
}

function formatUuid(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** @param privateKey Ed25519; the statement's `writer` must be its public half. */
export function signStatement(statement: Statement, privateKey: KeyObject): Buffer {
  return sign(null, Buffer.concat([signatureContext, formatStatement(statement)]), privateKey)
}

/** Whether the writer that a statement names signed it. */
export function isSignedByWriter({ statement, statementBytes, signature }: SignedContent): boolean {
  const key = { kty: 'OKP', crv: 'Ed25519', x: statement.writer.toString('base64url') }
  try {
    const publicKey = createPublicKey({ key, format: 'jwk' })
    return verify(null, Buffer.concat([signatureContext, statementBytes]), publicKey, signature)
  } catch {
    return false
  }
}
