/**
 * What the `keyhsm` command asks of the running service: JSON over the management listener (127.0.0.1, `keyhsm.management.port`; or a
 * control socket in a directory that only its user enters), each request signed with an administrator's key. Nothing here
 * opens a deposit.
 */
import Type from 'typebox'
import { LogLevelField, logLevelRoute } from './log-level-api.js'
import { reloadRoute } from './reload-api.js'
import { defineRoute } from './route.js'
import {
  FingerprintField,
  HsmKeyIdField,
  InstantField,
  KindField,
  NameField,
  NoFields,
  RequestIdField,
  ScopeField,
} from './schemas.js'

const HsmStateField = Type.Union([
  Type.Literal('ready'),
  Type.Literal('unavailable'),
  Type.Literal('login-refused'),
  Type.Literal('wrong-partition'),
])

/** How one of the HSMs is. */
const backendStateFields = {
  hardware: Type.String(),
  profile: Type.String(),
  /** Empty while it is not connected. */
  device: Type.String(),
  state: HsmStateField,
  detail: Type.String(),
  roundTripMs: Type.Optional(Type.Number()),
  /** Sessions that are held on the device. */
  sessions: Type.Integer(),
  /** `open`: the device or its library failed so often that it is left alone for a while. */
  breaker: Type.Union([Type.Literal('closed'), Type.Literal('open')]),
  keys: Type.Integer(),
  /** Absent: neither the setting nor the device names one. */
  keyLimit: Type.Optional(Type.Integer()),
  /** Room for keys in the device, where it tells. */
  deviceBytes: Type.Optional(Type.Integer()),
  deviceFreeBytes: Type.Optional(Type.Integer()),
  /** HSM keys made ahead. */
  spareKeys: Type.Integer(),
  capacity: Type.Union([Type.Literal('ok'), Type.Literal('warn'), Type.Literal('full')]),
  /** Of new HSM keys; this and the next two are absent while it has never been connected. */
  kind: Type.Optional(KindField),
  domain: Type.Optional(Type.String()),
  canary: Type.Optional(FingerprintField),
}

export const KeyHsmStatusField = Type.Object({
  version: Type.String(),
  pid: Type.Integer(),
  startedAt: InstantField,
  now: InstantField,
  uptimeSeconds: Type.Integer(),
  listener: Type.String(),
  /** Where administrators ask: `127.0.0.1:9899` or the path of the control socket. */
  management: Type.String(),
  /** SHA-256 of the TLS certificate's DER: what `ktadmin keyhsm --fingerprint` expects. */
  certificateFingerprint: FingerprintField,
  certificateExpiresAt: InstantField,
  /** Name of the default backend: the next fields are about it. */
  backend: NameField,
  ...backendStateFields,
  /** The last fault of this service or its HSM, not a caller's. */
  lastError: Type.Optional(
    Type.Object({ at: InstantField, code: Type.String(), message: Type.String() }),
  ),
  /** All backends, the default one among them. */
  backends: Type.Array(
    Type.Object({ name: NameField, default: Type.Boolean(), ...backendStateFields }),
  ),
  scope: ScopeField,
  realms: Type.Array(Type.String()),
  auditHealthy: Type.Boolean(),
  auditDetail: Type.String(),
  auditSequence: Type.Integer(),
  /** Where the log is written and from which level on; `debug` until a restart after `start --debug`. */
  log: Type.Object({
    ...LogLevelField.properties,
    file: Type.String(),
    debug: Type.Boolean(),
    /** False: lines are lost, or a file cannot be rolled. */
    healthy: Type.Boolean(),
    detail: Type.String(),
  }),
  /** What an operator must know and would not expect: a software token, keys that are not durable. */
  warnings: Type.Array(Type.String()),
  memoryBytes: Type.Integer(),
})

/** A key of the partition as an administrator sees it, of every realm. */
export const AdministeredKeyField = Type.Object({
  id: HsmKeyIdField,
  label: Type.String(),
  kind: Type.String(),
  /** What the id proves; `unknown`: it belongs to no trusted realm, or is not ours at all. */
  purpose: Type.Union([
    Type.Literal('deposit'),
    Type.Literal('organisation'),
    Type.Literal('service'),
    /** Made ahead, not claimed. */
    Type.Literal('pool'),
    Type.Literal('canary'),
    Type.Literal('audit'),
    Type.Literal('auth'),
    Type.Literal('unknown'),
  ]),
  /** How many deposits share the key; absent for the partition's own keys and for unknown ones. */
  scope: Type.Optional(ScopeField),
  realm: Type.Optional(Type.String()),
  /** The label's parts: the handle (cut, with a hash, where it was long) and the random groups. */
  handle: Type.Optional(Type.String()),
  uuid: Type.Optional(Type.String()),
  /** UTC date, from the label. */
  createdOn: Type.Optional(Type.String()),
  fingerprint: FingerprintField,
})

export const keyHsmStatusRoute = defineRoute({
  method: 'GET',
  path: '/v1/status',
  access: 'administrator',
  params: NoFields,
  query: NoFields,
  body: NoFields,
  reply: KeyHsmStatusField,
  success: 200,
  maxBodyBytes: 0,
  deadlineMs: 15_000,
  summary: 'say how the service and its HSM are',
})

export const administeredKeysRoute = defineRoute({
  method: 'GET',
  path: '/v1/keys',
  access: 'administrator',
  params: NoFields,
  query: Type.Object(
    {
      /** A whole label or a whole id; absent lists all. */
      name: Type.Optional(Type.String({ maxLength: 128 })),
      after: Type.Optional(HsmKeyIdField),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
      /** Absent: the default one. */
      backend: Type.Optional(NameField),
    },
    { additionalProperties: false },
  ),
  body: NoFields,
  reply: Type.Object({
    keys: Type.Array(AdministeredKeyField),
    next: Type.Optional(HsmKeyIdField),
  }),
  success: 200,
  maxBodyBytes: 0,
  deadlineMs: 120_000,
  summary: 'list the keys of the partition in the order of their ids',
})

export const revokeAdministeredKeyRoute = defineRoute({
  method: 'POST',
  path: '/v1/keys/revoke',
  access: 'administrator',
  params: NoFields,
  query: NoFields,
  body: Type.Object(
    {
      requestId: RequestIdField,
      hsmKeyId: HsmKeyIdField,
      /** Absent: the default one. */
      backend: Type.Optional(NameField),
    },
    { additionalProperties: false },
  ),
  reply: Type.Object({
    outcome: Type.Union([Type.Literal('destroyed'), Type.Literal('already-gone')]),
  }),
  success: 200,
  maxBodyBytes: 4096,
  deadlineMs: 30_000,
  summary: 'make an HSM key of any realm unusable for ever',
})

const TrustedField = Type.Object({
  subject: Type.String(),
  realm: Type.String(),
  fingerprint: FingerprintField,
})

export const keyHsmCertificatesRoute = defineRoute({
  method: 'GET',
  path: '/v1/certificates',
  access: 'administrator',
  params: NoFields,
  query: NoFields,
  body: NoFields,
  reply: Type.Object({
    certificates: Type.Array(
      Type.Object({
        role: Type.Union([Type.Literal('current'), Type.Literal('next')]),
        subject: Type.String(),
        expiresAt: InstantField,
        fingerprint: FingerprintField,
      }),
    ),
    /** Trusted certificates whose holders have not said that they accept the next one; empty when none follows. */
    waitingFor: Type.Array(TrustedField),
  }),
  success: 200,
  maxBodyBytes: 0,
  deadlineMs: 5000,
  summary: 'show the TLS certificate in use, the one that follows, and who does not know that one',
})

/** Longest time that a stop may wait for requests under way. */
export const maxDrainMs = 600_000

export const stopKeyHsmRoute = defineRoute({
  method: 'POST',
  path: '/v1/stop',
  access: 'administrator',
  params: NoFields,
  query: NoFields,
  body: Type.Object(
    { drainMs: Type.Integer({ minimum: 0, maximum: maxDrainMs }) },
    { additionalProperties: false },
  ),
  reply: Type.Object({ pid: Type.Integer(), inFlight: Type.Integer() }),
  success: 202,
  maxBodyBytes: 4096,
  deadlineMs: 5000,
  summary: 'stop: no new requests, those under way may finish within a limit',
})

export const checkpointRoute = defineRoute({
  method: 'POST',
  path: '/v1/audit/checkpoint',
  access: 'administrator',
  params: NoFields,
  query: NoFields,
  body: NoFields,
  reply: Type.Object({
    sequence: Type.Integer(),
    hash: Type.String(),
    /** PEM; absent when the HSM has no signing key. */
    publicKey: Type.Optional(Type.String()),
  }),
  success: 200,
  maxBodyBytes: 4096,
  deadlineMs: 30_000,
  summary: 'sign the head of the audit now and show the key it is verified with',
})

export const keyHsmAdminRoutes = [
  keyHsmStatusRoute,
  administeredKeysRoute,
  revokeAdministeredKeyRoute,
  reloadRoute,
  stopKeyHsmRoute,
  keyHsmCertificatesRoute,
  checkpointRoute,
  logLevelRoute,
] as const
