/** What is asked of Key HSM for some deposits at a time: by a migration, into one place, and by a batch of puts. */
import Type from 'typebox'
import { maxContentBody, SealContextField, SealedField, TrusteesField } from './keyhsm-fields.js'
import { defineRoute } from './route.js'
import {
  Base64Field,
  FingerprintField,
  KindField,
  NoFields,
  RequestIdField,
  ScopeField,
} from './schemas.js'

/** Deposits of one {@link moveRoute}. */
export const maxMoved = 16

/** Deposits of one {@link sealsRoute}. */
export const maxSealed = 16

/** Its new form, or why it has none. */
const MovedField = Type.Union([
  SealedField,
  Type.Object({
    /** As a reply of its own would have had it. */
    code: Type.String(),
    detail: Type.String(),
    retryAfterMs: Type.Optional(Type.Integer({ minimum: 0 })),
  }),
])

export const moveRoute = defineRoute({
  method: 'POST',
  path: '/v1/move',
  access: 'service',
  params: NoFields,
  query: NoFields,
  body: Type.Object(
    {
      requestId: RequestIdField,
      deposits: Type.Array(
        Type.Object(
          {
            context: SealContextField,
            /** What is not sealed yet; else `sealed`. */
            content: Type.Optional(Base64Field),
            trustees: Type.Optional(TrusteesField),
            /** What is sealed; its trustees stay who they are. */
            sealed: Type.Optional(Base64Field),
            /** Of the partition that it is sealed in. */
            canary: Type.Optional(FingerprintField),
          },
          { additionalProperties: false },
        ),
        { minItems: 1, maxItems: maxMoved },
      ),
      target: Type.Object(
        {
          canary: FingerprintField,
          /** Absent: Key HSM's own settings. */
          scope: Type.Optional(ScopeField),
          kind: Type.Optional(KindField),
          /** Under another HSM key than now, also where the scope shares one. */
          otherKey: Type.Optional(Type.Boolean()),
        },
        { additionalProperties: false },
      ),
    },
    { additionalProperties: false },
  ),
  /** In the order of the request. */
  reply: Type.Object({ deposits: Type.Array(MovedField) }),
  success: 200,
  maxBodyBytes: maxContentBody,
  deadlineMs: 180_000,
  summary:
    'seal deposits into a partition, or those that are sealed anew; each is opened from its new form, and released to nobody',
})

export const sealsRoute = defineRoute({
  method: 'POST',
  path: '/v1/seals',
  access: 'service',
  params: NoFields,
  query: NoFields,
  body: Type.Object(
    {
      requestId: RequestIdField,
      canary: FingerprintField,
      /** Absent: Key HSM's own settings. */
      scope: Type.Optional(ScopeField),
      kind: Type.Optional(KindField),
      deposits: Type.Array(
        Type.Object(
          {
            context: SealContextField,
            content: Base64Field,
            trustees: Type.Optional(TrusteesField),
          },
          { additionalProperties: false },
        ),
        { minItems: 1, maxItems: maxSealed },
      ),
    },
    { additionalProperties: false },
  ),
  /** In the order of the request. */
  reply: Type.Object({ deposits: Type.Array(MovedField) }),
  success: 200,
  maxBodyBytes: maxContentBody,
  deadlineMs: 60_000,
  summary: 'seal several deposits, each with its own outcome',
})
