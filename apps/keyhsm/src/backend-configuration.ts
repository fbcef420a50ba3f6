/** What a settings file says of one HSM: which device, with which PIN, used how. */
import { type Fingerprint, SecretBytes } from '@keyhsm/core'
import {
  type ParseOptions,
  parseSettings,
  type SettingsOf,
  type SettingsSchema,
} from '@keyhsm/service'
import { type Place, placeSchema } from './backend-names.js'
import {
  backendSchema,
  commonSchema,
  keySecureSchema,
  type Pkcs11Hardware,
  pkcs11Schema,
  softTokenSchema,
} from './settings.js'
import { readHardware } from './settings-schema.js'

export type CommonSettings = SettingsOf<typeof commonSchema>

/** Which device to connect to; everything but the PIN may be shown. */
export type DeviceSettings =
  | {
      readonly hardware: Pkcs11Hardware
      readonly library: string
      /** Configuration file of the library, given to it by its own environment variable. */
      readonly config?: string
      /** What C_Initialize hands to the library, for those that take it. */
      readonly parameters?: string
      /** More environment variables of the library. */
      readonly env: Readonly<Record<string, string>>
      /** Nothing: the only token there is. */
      readonly token: {
        readonly label?: string
        readonly serial?: string
        readonly slot?: number
      }
    }
  | {
      readonly hardware: 'keysecure'
      /** One appliance, or the members of a cluster. */
      readonly nodes: readonly { readonly host: string; readonly port: number }[]
      readonly user: string
      /** Undefined: plain TCP. */
      readonly tls?: { readonly pinned: readonly Fingerprint[] }
      readonly dialect: string
    }
  | { readonly hardware: 'soft-token'; readonly directory: string; readonly label?: string }

/** What is set for each HSM by itself. */
export type BackendSettings = SettingsOf<typeof backendSchema>

/** One HSM and how it is used; what may be shown of it. */
export interface BackendDescription {
  readonly name: string
  readonly settings: BackendSettings
  readonly device: DeviceSettings
}

/** One HSM and how to connect to it. */
export interface BackendConfiguration extends BackendDescription {
  /** Wiped by whoever asked for the configuration. */
  readonly pin: SecretBytes
}

/** What the lines of one backend say. */
export interface BackendParsed {
  readonly place: Place
  readonly own: BackendSettings
  /** Only the first backend's lines stand beside those of the service. */
  readonly common?: CommonSettings
  readonly device: DeviceSettings
  readonly pin: SecretBytes
}

/** Where a backend's lines stand, and how its password is opened. */
interface Source {
  readonly text: string
  readonly file: string
  readonly place: Place
  readonly options: ParseOptions
}

/** @throws ERR_SETTINGS with every fault of its lines. */
export function parseBackend(source: Source): BackendParsed {
  const hardware = readHardware(source.text, source.file, source.place)
  if (hardware === 'soft-token') return parseSoftToken(source)
  return hardware === 'keysecure' ? parseKeySecure(source) : parsePkcs11(source, hardware)
}

/** The settings of a device beside what each has, or what all of the service has. */
function parseWith<Schema extends SettingsSchema>(
  { text, file, place, options }: Source,
  device: Schema,
): { readonly device: SettingsOf<Schema> } & Pick<BackendParsed, 'place' | 'own' | 'common'> {
  const shared = place === undefined ? commonSchema : backendSchema
  const schema = placeSchema({ ...shared, ...device }, place)
  const parsed = parseSettings(text, schema, file, options)
  const pick = (from: SettingsSchema) =>
    Object.fromEntries(Object.entries(parsed).filter(([key]) => Object.hasOwn(from, key)))
  // Each part has exactly the keys of its own schema.
  const common = place === undefined ? { common: pick(commonSchema) as CommonSettings } : {}
  const own = pick(backendSchema) as BackendSettings
  return { place, own, device: pick(device) as SettingsOf<Schema>, ...common }
}

function parseSoftToken(source: Source): BackendParsed {
  const { device: found, ...parsed } = parseWith(source, softTokenSchema)
  const { directory, tokenLabel, pin } = found
  const named = tokenLabel === undefined ? {} : { label: tokenLabel }
  const device = { hardware: 'soft-token', directory, ...named } as const
  return { ...parsed, device, pin: toSecret(pin) }
}

function parseKeySecure(source: Source): BackendParsed {
  const { device: found, ...parsed } = parseWith(source, keySecureSchema)
  const { hosts, hsmPort, ssl, certificates, username, dialect, pin } = found
  const device = {
    hardware: 'keysecure',
    nodes: hosts.map((host) => ({ host, port: hsmPort })),
    user: username,
    dialect,
    ...(ssl ? { tls: { pinned: certificates } } : {}),
  } as const
  return { ...parsed, device, pin: toSecret(pin) }
}

function parsePkcs11(source: Source, hardware: Pkcs11Hardware): BackendParsed {
  const { device: found, ...parsed } = parseWith(source, pkcs11Schema(hardware))
  const { library, config, parameters, env, tokenLabel, tokenSerial, slot, pin } = found
  const { nfastServerPort, username } = found
  const token = {
    ...(tokenLabel === undefined ? {} : { label: tokenLabel }),
    ...(tokenSerial === undefined ? {} : { serial: tokenSerial }),
    ...(slot === undefined ? {} : { slot }),
  }
  const device = {
    hardware,
    library,
    token,
    env: {
      ...(nfastServerPort === undefined ? {} : { NFAST_SERVER_PORT: String(nfastServerPort) }),
      ...env,
    },
    ...(config === undefined ? {} : { config }),
    ...(parameters === undefined ? {} : { parameters }),
  }
  const password = username === undefined ? pin : `${username}:${pin}`
  return { ...parsed, device, pin: toSecret(password) }
}

function toSecret(text: string): SecretBytes {
  return SecretBytes.own(Buffer.from(text, 'utf8'))
}
