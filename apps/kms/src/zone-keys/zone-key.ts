/** Zone keys as they are deposited: one description a Hadoop name, one deposit a key version. Both are JSON, sealed and signed. */
import { DomainError, invalidInput } from '@keyhsm/core'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'

const text = Type.String({ maxLength: 64 * 1024 })

/** A key's description without its material. `uid` tells this key from an earlier one of the same name. */
export const ZoneKeyField = Type.Object(
  {
    uid: Type.String({ pattern: '^[a-z2-7]{26}$' }),
    cipher: Type.String({ maxLength: 64 }),
    bits: Type.Integer({ minimum: 8, maximum: 4096 }),
    description: Type.Union([text, Type.Null()]),
    attributes: Type.Record(Type.String(), text),
    /** Milliseconds since 1970. */
    createdAt: Type.Integer(),
    /** Number of versions: `0` to `versions - 1`, the last one is current. */
    versions: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
  },
  { additionalProperties: false },
)
export type ZoneKey = Static<typeof ZoneKeyField>

/** The last change of a name, by which a repeated request is recognised. */
const ChangeField = Type.Object(
  {
    kind: Type.Union([
      Type.Literal('create'),
      Type.Literal('roll'),
      Type.Literal('delete'),
      Type.Literal('undelete'),
      Type.Literal('purge'),
      Type.Literal('import'),
    ]),
    by: text,
    at: Type.Integer(),
    /** Which running instance made it: a fresh uuid for each start. */
    instance: Type.String({ maxLength: 36 }),
    /** What was asked for: a digest of the request. */
    digest: Type.String({ maxLength: 64 }),
  },
  { additionalProperties: false },
)
export type Change = Static<typeof ChangeField>

const DeletedKeyField = Type.Object(
  {
    key: ZoneKeyField,
    deletedAt: Type.Integer(),
    deletedBy: text,
    /** Its versions are being made unreadable: it never comes back. */
    purging: Type.Optional(Type.Literal(true)),
  },
  { additionalProperties: false },
)
export type DeletedKey = Static<typeof DeletedKeyField>

const NamedKeyField = Type.Object(
  {
    format: Type.Literal('keytrustee-kms key'),
    version: Type.Literal(1),
    name: text,
    /** Absent when the name was deleted. */
    key: Type.Optional(ZoneKeyField),
    /** Newest first; undelete and purge work on them. */
    deleted: Type.Array(DeletedKeyField, { maxItems: 1000 }),
    change: ChangeField,
  },
  { additionalProperties: false },
)
/** All that is known of a Hadoop name. */
export type NamedKey = Omit<Static<typeof NamedKeyField>, 'format' | 'version'>

const VersionContentField = Type.Object(
  {
    format: Type.Literal('keytrustee-kms key version'),
    version: Type.Literal(1),
    name: text,
    uid: Type.String(),
    index: Type.Integer({ minimum: 0 }),
    cipher: Type.String(),
    material: Type.String(),
  },
  { additionalProperties: false },
)

const zoneKeyCheck = Compile(ZoneKeyField)
const namedKeyCheck = Compile(NamedKeyField)
const versionCheck = Compile(VersionContentField)

/** Before anything of a key is written: what is longer than a reader takes could never be read again. @throws ERR_INVALID_INPUT */
export function requireWritable(key: ZoneKey): void {
  requireFits(zoneKeyCheck, key)
}

/** @throws ERR_INVALID_INPUT for what {@link parseNamedKey} would not take. */
export function formatNamedKey(named: NamedKey): Buffer {
  const value = { format: 'keytrustee-kms key', version: 1, ...named }
  requireFits(namedKeyCheck, value)
  return Buffer.from(JSON.stringify(value))
}

interface Fits {
  Check(value: unknown): boolean
  Errors(value: unknown): readonly { readonly instancePath: string; readonly message: string }[]
}

function requireFits(check: Fits, value: unknown): void {
  if (check.Check(value)) return
  const [first] = check.Errors(value)
  const field = first?.instancePath.replace(/^\/(key\/)?/, '').split('/', 1)[0] || 'key'
  throw invalidInput(field, first?.message ?? 'cannot be stored')
}

/** @throws ERR_INTEGRITY for anything else than the description of `name` (of any name when it is undefined). */
export function parseNamedKey(content: Buffer, name?: string): NamedKey {
  const value = parseJson(content)
  if (!namedKeyCheck.Check(value) || (name !== undefined && value.name !== name))
    throw notAKey('the description of a zone key is damaged')
  const { format: _, version: __, ...named } = value
  return named
}

/** Which version of which key: what the deposit's content must repeat. */
export interface VersionPlace {
  readonly name: string
  readonly uid: string
  readonly index: number
  readonly cipher: string
}

/** The returned bytes hold the material: wipe them when they are sealed. */
export function formatVersion(place: VersionPlace, material: Buffer): Buffer {
  const head = { format: 'keytrustee-kms key version', version: 1 }
  return Buffer.from(JSON.stringify({ ...head, ...place, material: material.toString('base64') }))
}

/** The material; `content` is wiped. @throws ERR_INTEGRITY when the content is not that of `place`. */
export function parseVersion(content: Buffer, place: VersionPlace): Buffer {
  try {
    const value = parseJson(content)
    if (!versionCheck.Check(value)) throw notAKey('a zone key version is damaged')
    const { name, uid, index, cipher } = value
    const same =
      name === place.name && uid === place.uid && index === place.index && cipher === place.cipher
    if (!same) throw notAKey('a deposit holds another zone key version than its handle says')
    return Buffer.from(value.material, 'base64')
  } finally {
    content.fill(0)
  }
}

function parseJson(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString('utf8'))
  } catch {
    return undefined
  }
}

function notAKey(detail: string): DomainError {
  return new DomainError('ERR_INTEGRITY', detail)
}
