/** What several routes of Key HSM have in common. */
import Type from 'typebox'
import {
  Base64Field,
  HandleField,
  HsmKeyIdField,
  KindField,
  ScopeField,
  UuidField,
} from './schemas.js'

/** What the sealed bytes are bound to: a row moved, swapped or renamed no longer opens. */
export const SealContextField = Type.Object(
  {
    organisation: UuidField,
    deposit: UuidField,
    handle: HandleField,
    revision: Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 }),
  },
  { additionalProperties: false },
)

/** 32 bytes in base64. */
export const IdentityKeyField = Type.String({ minLength: 44, maxLength: 44 })

/** So many of these keys must sign each retrieval. */
export const TrusteesField = Type.Object(
  {
    required: Type.Integer({ minimum: 1, maximum: 32 }),
    /** Raw Ed25519. */
    keys: Type.Array(IdentityKeyField, { minItems: 1, maxItems: 32 }),
  },
  { additionalProperties: false },
)

/** 16 MiB of content as base64 in JSON, and room for the rest; the settings' limit is lower (1 MiB). */
export const maxContentBody = 24 * 1024 * 1024

export const SealedField = Type.Object({
  sealed: Base64Field,
  hsmKeyId: HsmKeyIdField,
  hsmKeyLabel: Type.String(),
  scope: ScopeField,
  kind: KindField,
  /** True when this call made the key: it is removed again if the deposit is certainly not stored. */
  newKey: Type.Boolean(),
})
