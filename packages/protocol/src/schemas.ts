/** Schemas that several routes share. Names and rules equal `@keyhsm/core` identifiers. */
import Type from 'typebox'

export const NoFields = Type.Object({}, { additionalProperties: false })
export const UuidField = Type.String({
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
})
export const HandleField = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
  minLength: 1,
  maxLength: 128,
})
export const NameField = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
  minLength: 1,
  maxLength: 64,
})
export const HsmKeyIdField = Type.String({ pattern: '^[0-9a-f]{32}$' })
export const FingerprintField = Type.String({ pattern: '^[0-9a-f]{64}$' })
/** age recipient. @see https://age-encryption.org/v1 */
export const RecipientField = Type.String({ pattern: '^age1[0-9a-z]{10,}$', maxLength: 4096 })
/** Bytes as base64 with padding (RFC 4648 §4); decoded strictly by `decodeBase64`. */
export const Base64Field = Type.String()
export const ScopeField = Type.Union([
  Type.Literal('deposit'),
  Type.Literal('organisation'),
  Type.Literal('service'),
])
export const KindField = Type.Union([
  Type.Literal('ec-p256'),
  Type.Literal('rsa-2048'),
  Type.Literal('rsa-3072'),
  Type.Literal('aes-256'),
])
/** An instant as ISO 8601 in UTC. */
export const InstantField = Type.String({ maxLength: 30 })
/** Correlates the audits of both services; made by whoever was first asked. */
export const RequestIdField = UuidField

/** Name and head of an audit log. */
export const AuditHeadFields = {
  log: Type.String({ pattern: '^[0-9a-f]{16}$' }),
  sequence: Type.Integer({ minimum: 0 }),
  hash: FingerprintField,
}

/** Headers of a put (RFC 9110 §13): refuse to replace, or replace exactly this revision. */
export const PutHeaders = Type.Object({
  'If-None-Match': Type.Optional(Type.Literal('*')),
  'If-Match': Type.Optional(Type.String({ pattern: '^"[1-9][0-9]{0,8}"$' })),
})
