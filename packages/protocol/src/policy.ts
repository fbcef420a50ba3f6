/** Policies of deposits on the wire. */
import Type, { type Static } from 'typebox'
import { InstantField } from './schemas.js'

const exact = { additionalProperties: false } as const
/** A uuid, or a name within the deposit's organisation; replies hold uuids. */
const Refs = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 100 })

/** Absent members lay down nothing; an empty policy takes back what was laid down. */
export const PolicySchema = Type.Object(
  {
    notBefore: Type.Optional(InstantField),
    expiresAt: Type.Optional(InstantField),
    /** In all, from when the policy is set; 1 is single use. */
    maxRetrievals: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000 })),
    /** Networks in CIDR notation from which it may be retrieved. */
    networks: Type.Optional(Type.Array(Type.String({ maxLength: 50 }), { maxItems: 100 })),
    /** Who may retrieve it besides its owner. */
    clients: Type.Optional(Refs),
    groups: Type.Optional(Refs),
  },
  exact,
)

export type PolicyField = Static<typeof PolicySchema>

/** Trustees as their owner chooses them; `required` 0 without keys takes them away. */
export const TrusteesSchema = Type.Object(
  {
    required: Type.Integer({ minimum: 0, maximum: 32 }),
    /** Identity keys of clients of the organisation: Ed25519 SPKI, base64. */
    keys: Type.Array(Type.String({ maxLength: 256 }), { maxItems: 32 }),
  },
  exact,
)

export type TrusteesField = Static<typeof TrusteesSchema>
