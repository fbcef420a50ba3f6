import { createPublicKey } from 'node:crypto'
import { formatP256Spki, p256PointBytes, type KeyKind, type KeyUse } from '@keyhsm/hsm'
import { CKA, CKK, p256Params } from '../../constants.js'
import type { CryptokiHandle } from '../../cryptoki.js'
import type { JobSession } from './job-session.js'
import { readAttribute, readAttributes, toFlag, toNumber, unlessGone } from './read-attributes.js'

/** The handles of one whole key: a secret key, or both halves of a pair. */
export type WholeKey =
  | { readonly secretKey: CryptokiHandle }
  | { readonly privateKey: CryptokiHandle; readonly publicKey: CryptokiHandle }

/** What the device says about a key. */
export interface KeyDescription {
  readonly label: string
  readonly kind: KeyKind
  readonly use: KeyUse
  readonly publicKey: Buffer | undefined
}

/** Describes a key, or answers undefined when it is of no kind of ours (somebody else's key with a 16-byte id). */
export function describeKey(job: JobSession, key: WholeKey): KeyDescription | undefined {
  const main = 'secretKey' in key ? key.secretKey : key.privateKey
  const [type, label] = readAttributes(job, main, [CKA.keyType, CKA.label]) ?? []
  if (!type || !label) return undefined
  const rest = describers.get(toNumber(type))?.(job, key)
  return rest && { label: label.toString('utf8'), ...rest }
}

/** The same for many at once, undefined also for a key that went away: a message costs as much as describing. */
export function describeKeys(
  job: JobSession,
  keys: readonly WholeKey[],
): (KeyDescription | undefined)[] {
  return keys.map((key) => unlessGone(job, () => describeKey(job, key)))
}

type Described = Omit<KeyDescription, 'label'> | undefined

const describers = new Map<number, (job: JobSession, key: WholeKey) => Described>([
  [CKK.aes, describeAes],
  [CKK.genericSecret, describeGeneric],
  [CKK.ec, describeEc],
  [CKK.rsa, describeRsa],
])

function describeAes(job: JobSession, key: WholeKey): Described {
  if (!('secretKey' in key)) return undefined
  const length = readAttribute(job, key.secretKey, CKA.valueLen)
  if (!length || toNumber(length) !== 32) return undefined
  const signs = toFlag(readAttribute(job, key.secretKey, CKA.sign))
  const encrypts = toFlag(readAttribute(job, key.secretKey, CKA.encrypt))
  const wraps = encrypts || toFlag(readAttribute(job, key.secretKey, CKA.wrap))
  if (signs === wraps) return undefined
  return signs
    ? { kind: 'cmac-aes-256', use: 'authenticate', publicKey: undefined }
    : { kind: 'aes-256', use: 'wrap', publicKey: undefined }
}

function describeGeneric(job: JobSession, key: WholeKey): Described {
  if (!('secretKey' in key)) return undefined
  if (!toFlag(readAttribute(job, key.secretKey, CKA.sign))) return undefined
  return { kind: 'hmac-sha256', use: 'authenticate', publicKey: undefined }
}

function describeEc(job: JobSession, key: WholeKey): Described {
  if (!('privateKey' in key)) return undefined
  const publicKey = readP256Spki(job, key.publicKey)
  if (!publicKey) return undefined
  const signs = toFlag(readAttribute(job, key.privateKey, CKA.sign))
  return { kind: 'ec-p256', use: signs ? 'sign' : 'wrap', publicKey }
}

function describeRsa(job: JobSession, key: WholeKey): Described {
  if (!('privateKey' in key)) return undefined
  const read = readAttributes(job, key.publicKey, [CKA.modulus, CKA.publicExponent])
  const [modulus, exponent] = (read ?? []).map(withoutLeadingZero)
  const kind = rsaKinds.get(modulus?.length ?? 0)
  if (!kind || !modulus || !exponent) return undefined
  return { kind, use: 'wrap', publicKey: formatRsaSpki(modulus, exponent) }
}

const rsaKinds = new Map<number, KeyKind>([
  [256, 'rsa-2048'],
  [384, 'rsa-3072'],
])

function withoutLeadingZero(value: Buffer): Buffer {
  return value[0] === 0 ? value.subarray(1) : value
}

function formatRsaSpki(modulus: Buffer, exponent: Buffer): Buffer {
  const jwk = { kty: 'RSA', n: modulus.toString('base64url'), e: exponent.toString('base64url') }
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'der', type: 'spki' })
}

/** The P-256 public key as SPKI; undefined on another curve. */
function readP256Spki(job: JobSession, publicKey: CryptokiHandle): Buffer | undefined {
  const [params, point] = readAttributes(job, publicKey, [CKA.ecParams, CKA.ecPoint]) ?? []
  if (!params?.equals(p256Params) || !point) return undefined
  const raw = rawPoint(point)
  return raw && formatP256Spki(raw)
}

/** CKA_EC_POINT is a DER OCTET STRING by the standard; some libraries give the raw point. */
function rawPoint(point: Buffer): Buffer | undefined {
  if (point.length === p256PointBytes) return point
  const wrapped = point.length === p256PointBytes + 2 && point[0] === 0x04 && point[1] === 0x41
  return wrapped ? point.subarray(2) : undefined
}
