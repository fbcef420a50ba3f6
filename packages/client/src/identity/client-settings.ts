/** `client.json`: which server, which client, and how much this client trusts. Holds no secret. */
import { DomainError, type Uuid } from '@keyhsm/core'
import { NameField, UuidField } from '@keyhsm/protocol'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'

const PinField = Type.Object(
  {
    uuid: UuidField,
    name: NameField,
    /** SPKI, base64. */
    identityKey: Type.String(),
  },
  { additionalProperties: false },
)

/** An identity key that was compared once, and the client whose it was. */
export type Pin = Static<typeof PinField>

export const ClientSettingsField = Type.Object(
  {
    version: Type.Literal(1),
    /** `https://host:port`, or several of one installation, separated by commas. */
    server: Type.String({ pattern: '^https://' }),
    /** PEM: the server's own certificate, or the CA certificates that may issue it. */
    serverCertificates: Type.String(),
    organisationName: NameField,
    organisation: UuidField,
    clientName: NameField,
    client: UuidField,
    state: Type.Union([Type.Literal('active'), Type.Literal('waiting')]),
    /** Content above this is refused before it is sent. */
    maxContentBytes: Type.Optional(Type.Integer({ minimum: 1, maximum: 16 * 1024 * 1024 })),
    /** Identity keys (SPKI, base64) of other writers whose content this client believes. */
    writers: Type.Optional(Type.Array(Type.String())),
    /** Clients accepted as readers and trustees; an earlier release kept the identity key alone, under no name. */
    peers: Type.Optional(Type.Array(Type.Union([PinField, Type.String()]))),
    /** age recipient of the organisation for lost keys: everything is sealed for it too. */
    recovery: Type.Optional(Type.String()),
    /** `none` switches client-side sealing off for every put and get. */
    sealing: Type.Optional(Type.Union([Type.Literal('age'), Type.Literal('none')])),
  },
  { additionalProperties: false },
)

export type ClientSettings = Static<typeof ClientSettingsField> & {
  readonly organisation: Uuid
  readonly client: Uuid
}

export const defaultMaxContentBytes = 1024 * 1024

const validator = Compile(ClientSettingsField)

/** @throws ERR_SETTINGS naming every wrong member. */
export function parseClientSettings(text: string): ClientSettings {
  const value = parseJson(text)
  if (validator.Check(value)) return value as ClientSettings
  const faults = validator.Errors(value).map((error) => ({
    field: `client.json${error.instancePath.replaceAll('/', '.')}`,
    rule: error.message,
  }))
  throw new DomainError('ERR_SETTINGS', 'the client settings have faults', { faults })
}

/** The text of `client.json`, for people too. */
export function formatClientSettings(settings: ClientSettings): string {
  return `${JSON.stringify(settings, undefined, 2)}\n`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new DomainError('ERR_SETTINGS', 'client.json is not JSON', { cause: error })
  }
}
