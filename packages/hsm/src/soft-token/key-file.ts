/** One key of the token as a file: its attributes in clear, its secret half sealed under the token key and bound to them. */
import { DomainError, type HsmKeyId, type SecretBytes } from '@keyhsm/core'
import type { KeySpec, KeyUse } from '../hsm.js'
import type { KeyKind } from '../kinds.js'
import { checkKeySpec } from '../key-spec.js'
import { openBox, sealBox } from './sealed-box.js'
import { isHex, parseJsonObject } from './token-header.js'

/** What opens key files: the token's serial and its key. */
export interface KeyFileSeal {
  readonly serial: string
  readonly tokenKey: SecretBytes
}

export interface KeyMaterial {
  /** PKCS#8 (DER) of a pair, or the 32 bytes of a secret key. */
  readonly secret: SecretBytes
  /** SubjectPublicKeyInfo (DER) of a pair. */
  readonly publicKey: Buffer | undefined
}

const format = 'keyhsm-soft-token-key'
const version = 1

/** The bytes of a key file. The caller wipes `material.secret`. */
export function formatKeyFile(seal: KeyFileSeal, spec: KeySpec, material: KeyMaterial): string {
  const publicKey = material.publicKey?.toString('hex') ?? ''
  const { id, label, kind, use } = spec
  const data = associatedData(seal, spec, publicKey)
  const sealed = sealBox(seal.tokenKey, material.secret, data).toString('hex')
  const fields = { format, version, id, label, kind, use, publicKey, sealed }
  return `${JSON.stringify(fields, null, 2)}\n`
}

/**
 * Opens the key file found under `id`. The caller wipes `material.secret`.
 * @throws ERR_HSM_REFUSED when it is damaged, of another token or of another id.
 */
export function parseKeyFile(
  seal: KeyFileSeal,
  id: HsmKeyId,
  text: string,
): { spec: KeySpec; material: KeyMaterial } {
  const { publicKey, sealed, ...fields } = parseJsonObject(text)
  const known = fields.format === format && fields.version === version && fields.id === id
  if (!known || !isHexOfAnyLength(publicKey) || !isHexOfAnyLength(sealed)) throw damaged(id)
  const spec = parseSpec(id, fields)
  const data = associatedData(seal, spec, publicKey)
  const secret = openBox(seal.tokenKey, Buffer.from(sealed, 'hex'), data)
  if (!secret) throw damaged(id)
  const spki = publicKey === '' ? undefined : Buffer.from(publicKey, 'hex')
  return { spec, material: { secret, publicKey: spki } }
}

function parseSpec(id: HsmKeyId, fields: Record<string, unknown>): KeySpec {
  const { label, kind, use } = fields
  const spec = { id, label: String(label), kind: kind as KeyKind, use: use as KeyUse }
  try {
    return checkKeySpec(spec)
  } catch (cause) {
    throw damaged(id, cause)
  }
}

function isHexOfAnyLength(value: unknown): value is string {
  return typeof value === 'string' && isHex(value, value.length / 2)
}

function associatedData(seal: KeyFileSeal, spec: KeySpec, publicKey: string): string {
  const { id, label, kind, use } = spec
  return JSON.stringify([format, version, seal.serial, id, label, kind, use, publicKey])
}

function damaged(id: HsmKeyId, cause?: unknown): DomainError {
  return new DomainError('ERR_HSM_REFUSED', `the file of HSM key ${id} is damaged`, { cause })
}
