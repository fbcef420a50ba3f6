/**
 * Kind of hardware → how to connect to it. The only file that names drivers; each is loaded when it is asked for, so that
 * no native code is in a process that does not need it.
 */
import { stat } from 'node:fs/promises'
import { DomainError, type SecretBytes } from '@keyhsm/core'
import type { Hsm, WrappingKind } from '@keyhsm/hsm'
import type { Log } from '@keyhsm/service'
import type { DeviceSettings } from './backend-configuration.js'
import type { Hardware, Pkcs11Hardware } from './settings.js'

export interface ConnectDeviceOptions {
  /** Copied where it is needed longer than the call; the caller wipes it. */
  readonly pin: SecretBytes
  readonly wrap: 'device' | 'software'
  readonly log: Log
  /** Called at once, before anything else, when the device refused the login. Must not wait. */
  readonly onLoginRefused: (error: DomainError) => void
}

type Pkcs11Device = Extract<DeviceSettings, { readonly library: string }>
type KeySecureDevice = Extract<DeviceSettings, { readonly nodes: unknown }>
type SoftTokenDevice = Extract<DeviceSettings, { readonly directory: string }>

/** Profile of each hardware, and the environment variable by which its library takes a configuration file. */
const pkcs11Drivers = {
  softhsm: { profile: 'softhsm', configVariable: 'SOFTHSM2_CONF' },
  luna: { profile: 'luna', configVariable: 'ChrystokiConfigurationPath' },
  ncipher: { profile: 'thales', configVariable: undefined },
  cloudhsm: { profile: 'cloudhsm', configVariable: undefined },
  nss: { profile: 'nss', configVariable: undefined },
} as const satisfies Record<Pkcs11Hardware, { profile: string; configVariable: string | undefined }>

export type {
  ApplianceFault,
  ApplianceReport,
  CertificateWarning,
  CheckStep,
  NaeNode,
  NaeTls,
  ProbeReport,
  ServerCertificate,
} from '@keyhsm/hsm-nae'

/** First contact with a KeySecure and the walk through its settings, for `setup`, `validate` and `nae-probe`. */
export async function loadKeySecure() {
  return await import('@keyhsm/hsm-nae')
}

/** Connects and logs in, once. @throws every error of the backends; ERR_HSM_LOGIN after `onLoginRefused` was called. */
export async function connectDevice(
  device: DeviceSettings,
  options: ConnectDeviceOptions,
): Promise<Hsm> {
  if (device.hardware === 'soft-token') return await connectSoft(device, options)
  return device.hardware === 'keysecure'
    ? await connectKeySecure(device, options)
    : await connectLibrary(device, options)
}

/** Kind of new HSM keys when no setting says another. */
export async function findDefaultKind(hardware: Hardware): Promise<WrappingKind> {
  if (hardware === 'soft-token') return 'ec-p256'
  // The manual's key pair.
  if (hardware === 'keysecure') return 'rsa-3072'
  return (await findProfile(hardware)).defaultKind
}

/** The vendor's library where it is installed by default; undefined when it is at none of those places. */
export async function findLibrary(hardware: Pkcs11Hardware): Promise<string | undefined> {
  for (const path of (await findProfile(hardware)).libraryPaths) {
    if (await isFile(path)) return path
  }
  return undefined
}

/** The environment variable that names the library's configuration file. */
export function configVariableOf(hardware: Pkcs11Hardware): string | undefined {
  return pkcs11Drivers[hardware].configVariable
}

/** Makes a software token in `directory`, unless there is one. */
export async function ensureSoftToken(
  { directory, label = 'keyhsm' }: SoftTokenDevice,
  pin: SecretBytes,
): Promise<{ made: boolean }> {
  const { initialiseSoftToken } = await import('@keyhsm/hsm')
  try {
    await initialiseSoftToken({ directory, label, pin: toText(pin) })
    return { made: true }
  } catch (error) {
    if (error instanceof DomainError && error.code === 'ERR_ALREADY_EXISTS') return { made: false }
    throw error
  }
}

async function connectLibrary(device: Pkcs11Device, options: ConnectDeviceOptions): Promise<Hsm> {
  const { library, token, config, parameters, hardware, env } = device
  const { profile, configVariable } = pkcs11Drivers[hardware]
  if (!(await isFile(library))) throw noLibrary(library)
  const { connectPkcs11 } = await import('@keyhsm/hsm-pkcs11')
  const named = config !== undefined && configVariable !== undefined
  return await connectPkcs11({
    profile,
    library,
    token,
    pin: options.pin,
    wrap: options.wrap,
    log: options.log,
    onLoginRefused: options.onLoginRefused,
    ...(parameters === undefined ? {} : { libraryParameters: parameters }),
    env: { ...env, ...(named ? { [configVariable]: config } : {}) },
  })
}

async function connectKeySecure(device: KeySecureDevice, options: ConnectDeviceOptions) {
  const { connectNae, parseDialect } = await loadKeySecure()
  const { nodes, user, tls, dialect } = device
  return await connectNae({
    nodes,
    user,
    password: options.pin,
    dialect: parseDialect(dialect, 'keysecure.dialect'),
    wrap: options.wrap,
    log: options.log,
    onLoginRefused: options.onLoginRefused,
    ...(tls === undefined ? {} : { tls }),
  })
}

async function connectSoft(device: SoftTokenDevice, options: ConnectDeviceOptions): Promise<Hsm> {
  const { connectSoftToken } = await import('@keyhsm/hsm')
  const { directory, label } = device
  const named = label === undefined ? {} : { label }
  try {
    return await connectSoftToken({ directory, ...named, pin: toText(options.pin) })
  } catch (error) {
    if (error instanceof DomainError && error.code === 'ERR_HSM_LOGIN') {
      options.onLoginRefused(error)
    }
    throw error
  }
}

async function findProfile(hardware: Pkcs11Hardware) {
  const { pkcs11Profiles } = await import('@keyhsm/hsm-pkcs11')
  return pkcs11Profiles[pkcs11Drivers[hardware].profile]
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}

function noLibrary(path: string): DomainError {
  return new DomainError('ERR_SETTINGS', `there is no PKCS#11 library ${path}`, {
    hints: ['install the vendor’s client, or correct the path with `keyhsm setup … --library P`'],
  })
}

function toText(pin: SecretBytes): string {
  return pin.expose((bytes) => bytes.toString('utf8'))
}
