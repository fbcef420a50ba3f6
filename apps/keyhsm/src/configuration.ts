/** `application.properties` as a whole: which device, with which PIN, and everything else, checked. */
import { basename, join } from 'node:path'
import { DomainError, type Fingerprint, SecretBytes, withSecret } from '@keyhsm/core'
import {
  type ParseOptions,
  parseSettings,
  readSettingLines,
  readSettingsKey,
  secretOpener,
  type SettingsOf,
  type SettingsSchema,
} from '@keyhsm/service'
import { readTextIfThere } from './files.js'
import type { Paths } from './paths.js'
import {
  commonSchema,
  type Hardware,
  hardwareNames,
  keySecureSchema,
  type Pkcs11Hardware,
  pkcs11Schema,
  softTokenSchema,
} from './settings.js'

export type CommonSettings = SettingsOf<typeof commonSchema>

/** Which device to connect to; everything but the PIN may be shown. */
export type DeviceSettings =
  | {
      readonly hardware: Pkcs11Hardware
      readonly library: string
      /** Configuration file of the library, given to it by its own environment variable. */
      readonly config?: string
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

export interface Configuration {
  readonly settings: CommonSettings
  readonly device: DeviceSettings
  /** Wiped by whoever asked for the configuration. */
  readonly pin: SecretBytes
}

/** The file that holds the key under which the PIN is sealed; not the TLS key's password. */
export function settingsKeyPath(paths: Pick<Paths, 'keystore'>): string {
  return join(paths.keystore, 'settings.key')
}

/** The schema of a file for this hardware, in the order in which settings are shown: the old product's first. */
export function schemaFor(hardware: Hardware): SettingsSchema {
  const { address, port, managementPort, servicePort, hardware: kind, ...others } = commonSchema
  const known = { address, port, managementPort, servicePort, hardware: kind }
  return { ...known, ...deviceSchema(hardware), ...others }
}

/**
 * Which hardware a settings file is for.
 * @throws ERR_SETTINGS when it does not say, or says something else than one of `hardwareNames`.
 */
export function readHardware(text: string, file: string): Hardware {
  const line = readSettingLines(text, file).find(({ name }) => name === commonSchema.hardware.name)
  const found = hardwareNames.find((name) => name === line?.text)
  if (found) return found
  const rule = `must be one of ${hardwareNames.join(', ')}`
  const at = line === undefined ? {} : { line: line.line }
  throw new DomainError('ERR_SETTINGS', `${file}: ${commonSchema.hardware.name} ${rule}`, {
    faults: [{ field: commonSchema.hardware.name, rule, ...at }],
  })
}

/**
 * Reads and checks the settings file, every fault at once.
 * @throws ERR_SETTINGS when there is none, or with its faults and their lines.
 */
export async function readConfiguration(paths: Paths): Promise<Configuration> {
  const text = await readSettingsText(paths)
  const key = await readSettingsKey(settingsKeyPath(paths))
  return await withSecret(key, () => parseConfiguration(text, basename(paths.settings), key))
}

/** The text of the settings file. @throws ERR_SETTINGS when there is none. */
export async function readSettingsText(paths: Pick<Paths, 'settings'>): Promise<string> {
  const text = await readTextIfThere(paths.settings)
  if (text !== undefined) return text
  throw new DomainError('ERR_SETTINGS', `Key HSM is not set up: there is no ${paths.settings}`, {
    hints: ['run `keyhsm setup <hsm name>`'],
  })
}

/** @throws ERR_SETTINGS with every fault of the text. */
export function parseConfiguration(text: string, file: string, key: SecretBytes): Configuration {
  const hardware = readHardware(text, file)
  const options = { openSecret: secretOpener(key) }
  if (hardware === 'soft-token') {
    const schema = { ...commonSchema, ...softTokenSchema }
    const { directory, tokenLabel, pin, ...settings } = parseSettings(text, schema, file, options)
    const device = {
      hardware,
      directory,
      ...(tokenLabel === undefined ? {} : { label: tokenLabel }),
    }
    return { settings, device, pin: toSecret(pin) }
  }
  return hardware === 'keysecure'
    ? parseKeySecure(text, file, options)
    : parsePkcs11(text, file, { hardware, options })
}

function parseKeySecure(text: string, file: string, options: ParseOptions): Configuration {
  const schema = { ...commonSchema, ...keySecureSchema }
  const parsed = parseSettings(text, schema, file, options)
  const { hosts, hsmPort, ssl, certificates, username, dialect, pin, ...settings } = parsed
  const device = {
    hardware: 'keysecure',
    nodes: hosts.map((host) => ({ host, port: hsmPort })),
    user: username,
    dialect,
    ...(ssl ? { tls: { pinned: certificates } } : {}),
  } as const
  return { settings, device, pin: toSecret(pin) }
}

function parsePkcs11(
  text: string,
  file: string,
  { hardware, options }: { hardware: Pkcs11Hardware; options: ParseOptions },
): Configuration {
  const schema = { ...commonSchema, ...pkcs11Schema(hardware) }
  const parsed = parseSettings(text, schema, file, options)
  const { library, config, env, tokenLabel, tokenSerial, slot, pin, ...others } = parsed
  const { nfastServerPort, username, ...settings } = others
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
  }
  return {
    settings,
    device,
    pin: toSecret(username === undefined ? pin : `${username}:${pin}`),
  }
}

function deviceSchema(hardware: Hardware): SettingsSchema {
  if (hardware === 'soft-token') return softTokenSchema
  return hardware === 'keysecure' ? keySecureSchema : pkcs11Schema(hardware)
}

function toSecret(text: string): SecretBytes {
  return SecretBytes.own(Buffer.from(text, 'utf8'))
}
