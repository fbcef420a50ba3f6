/**
 * The header of sealed bytes: everything needed, beside the HSM, to open them, and nothing that settings could change.
 * The whole header is authenticated with the content.
 * @see docs/formats/sealed-deposit.md
 */
import {
  type Fingerprint,
  type HsmKeyId,
  parseFingerprint,
  parseHsmKeyId,
  parseRealm,
  type Realm,
} from '@keyhsm/core'
import { type ByteReader, malformed } from './byte-reader.js'
import { ByteWriter } from './byte-writer.js'
import {
  findContentAlgorithm,
  findKind,
  findScope,
  kindIds,
  type SealedKind,
  type SealedScope,
  scopeIds,
} from './tables.js'

export interface SealedHeader {
  /** Id of the table in `content-algorithms.ts`. */
  readonly contentAlgorithm: number
  /** Id of the table of wrap algorithms; its meaning never changes. */
  readonly wrapAlgorithm: number
  readonly scope: SealedScope
  readonly kind: SealedKind
  readonly realm: Realm
  /** Logical id of the HSM key domain: 32 hex digits, equal on every node of the partition. */
  readonly domain: string
  /** The key under which K_auth was computed. */
  readonly authKeyId: HsmKeyId
  readonly hsmKeyId: HsmKeyId
  readonly hsmKeyFingerprint: Fingerprint
  /** For people; the id identifies. */
  readonly hsmKeyLabel: string
  readonly trustees: Trustees
  readonly wrappedKey: Buffer
  /** 12 bytes. */
  readonly nonce: Buffer
}

/** How many of which keys must approve a retrieval; none: `{ required: 0, keys: [] }`. */
export interface Trustees {
  readonly required: number
  /** Ed25519 public keys, 32 raw bytes each, strictly ascending. */
  readonly keys: readonly Buffer[]
}

/** A deposit without trustees. */
export const noTrustees: Trustees = { required: 0, keys: [] }

const magic = Buffer.from('KHSD', 'ascii')
const version = 1
const maxTrustees = 32
const maxWrappedKeyBytes = 1024
export const nonceBytes = 12

/** Writes the header; the caller has checked values. @throws RangeError on a value that cannot be stored. */
export function formatHeader(header: SealedHeader): Buffer {
  checkTrustees(header.trustees)
  const writer = new ByteWriter()
    .bytes(magic)
    .uint8(version)
    .uint8(header.contentAlgorithm)
    .uint8(header.wrapAlgorithm)
    .uint8(scopeIds[header.scope])
    .uint8(kindIds[header.kind])
    .shortText(header.realm)
    .hex(header.domain, 16)
    .hex(header.authKeyId, 16)
    .hex(header.hsmKeyId, 16)
    .hex(header.hsmKeyFingerprint, 32)
    .shortText(header.hsmKeyLabel)
  writeTrustees(writer, header.trustees)
  return writer
    .uint16(header.wrappedKey.length)
    .bytes(header.wrappedKey)
    .bytes(header.nonce)
    .toBuffer()
}

/** Appends required, count and keys. */
export function writeTrustees(writer: ByteWriter, trustees: Trustees): void {
  writer.uint8(trustees.required).uint8(trustees.keys.length)
  for (const key of trustees.keys) writer.bytes(key)
}

/** Reads a header and leaves the reader behind it. @throws ERR_INTEGRITY */
export function parseHeader(reader: ByteReader): SealedHeader {
  if (!reader.bytes(4, 'magic').equals(magic)) throw malformed('magic is not KHSD')
  if (reader.uint8('version') !== version) throw malformed('version is not known')
  const contentAlgorithm = reader.uint8('content algorithm')
  if (findContentAlgorithm(contentAlgorithm) === undefined) {
    throw malformed('content algorithm is not known')
  }
  const wrapAlgorithm = reader.uint8('wrap algorithm')
  const scope = known(findScope(reader.uint8('scope')), 'scope')
  const kind = known(findKind(reader.uint8('kind')), 'kind')
  const realm = checked('realm', () => parseRealm(shortText(reader, 'realm')))
  const domain = reader.bytes(16, 'domain').toString('hex')
  const authKeyId = parseHsmKeyId(reader.bytes(16, 'auth key id').toString('hex'))
  const hsmKeyId = parseHsmKeyId(reader.bytes(16, 'HSM key id').toString('hex'))
  const hsmKeyFingerprint = parseFingerprint(reader.bytes(32, 'fingerprint').toString('hex'))
  const hsmKeyLabel = checked('label', () => parseRealm(shortText(reader, 'label'), 'label'))
  const trustees = parseTrustees(reader)
  const wrappedKey = readWrappedKey(reader)
  const nonce = reader.bytes(nonceBytes, 'nonce')
  return {
    contentAlgorithm,
    wrapAlgorithm,
    scope,
    kind,
    realm,
    domain,
    authKeyId,
    hsmKeyId,
    hsmKeyFingerprint,
    hsmKeyLabel,
    trustees,
    wrappedKey,
    nonce,
  }
}

function parseTrustees(reader: ByteReader): Trustees {
  const required = reader.uint8('trustees required')
  const count = reader.uint8('trustees count')
  if (count > maxTrustees) throw malformed('too many trustees')
  const keys = Array.from({ length: count }, () => reader.bytes(32, 'trustee key'))
  const trustees = { required, keys }
  checkTrustees(trustees)
  return trustees
}

function checkTrustees({ required, keys }: Trustees): void {
  if (keys.length > maxTrustees) throw malformed('too many trustees')
  if (required > keys.length || (required === 0) !== (keys.length === 0)) {
    throw malformed('trustees required does not fit their number')
  }
  for (const [index, key] of keys.entries()) {
    const before = keys[index - 1]
    if (before && Buffer.compare(before, key) >= 0) throw malformed('trustees are not in order')
  }
}

function readWrappedKey(reader: ByteReader): Buffer {
  const length = reader.uint16('wrapped key length')
  if (length < 1 || length > maxWrappedKeyBytes)
    throw malformed('wrapped key length is out of range')
  return reader.bytes(length, 'wrapped key')
}

function shortText(reader: ByteReader, field: string): string {
  const bytes = reader.bytes(reader.uint8(field), field)
  // Node's 'ascii' decoding drops the top bit; latin1 keeps it, so that a flipped bit fails the alphabet check.
  return bytes.toString('latin1')
}

function known<Value>(value: Value | undefined, field: string): Value {
  if (value === undefined) throw malformed(`${field} is not known`)
  return value
}

function checked<Value>(field: string, parse: () => Value): Value {
  try {
    return parse()
  } catch {
    throw malformed(`${field} is not well-formed`)
  }
}
