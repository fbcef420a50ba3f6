/**
 * Setting up Key HSM: connect with the new settings for real, prepare the partition, and only then save. Running it again
 * keeps the partition's keys, the TLS key and the trust list, and takes over what was given.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { X509Certificate } from 'node:crypto'
import {
  type Clock,
  DomainError,
  type Fingerprint,
  type SecretBytes,
  toDomainError,
  withSecret,
} from '@keyhsm/core'
import {
  certificateFingerprint,
  ensureSettingsKey,
  type Log,
  parseSettings,
  sealSetting,
  systemCode,
  toFileError,
  writeFileAtomically,
} from '@keyhsm/service'
import { type Place, placeName, placeOf, placeSchema, viewOf } from '../backend-names.js'
import type { BackendConfiguration } from '../backend-configuration.js'
import { backendSchemaFor, schemaFor } from '../settings-schema.js'
import {
  type Configuration,
  parseConfiguration,
  settingsKeyPath,
  withoutPins,
} from '../configuration.js'
import { ensureSoftToken, findDefaultKind } from '../drivers.js'
import { makePrivateDirectory, readTextIfThere } from '../files.js'
import { changeKeystorePassword, ensureKeystore } from '../keystore.js'
import { proveKey } from '../keys/prove-key.js'
import { ensureLocalAdministrator } from '../local-administrator.js'
import { ensureLogging } from '../logging.js'
import { latchOf, releaseLatch } from '../login-latch.js'
import { type MadePartition, makePartitionKeys } from '../partition/make-partition-keys.js'
import { openDevice } from '../partition/open-partition.js'
import type { Paths } from '../paths.js'
import type { Environment } from '../keystore-password.js'
import { findDeviceWarnings } from '../service/status.js'
import { commonSchema, type Hardware, secretSettings } from '../settings.js'
import {
  checkInstallation,
  findDeviceUser,
  withFindings,
} from '../vendor-checks/check-installation.js'
import type { VendorFinding } from '../vendor-checks/finding.js'
import { exportTruststore } from '../trust/export-truststore.js'
import { requireReadyAppliance } from './require-ready-appliance.js'
import { type Changes, findUnread, toSettingsText } from './settings-text.js'

export interface SetUpOptions {
  readonly paths: Paths
  readonly env: Environment
  readonly log: Log
  readonly clock: Clock
  readonly hardware: Hardware
  /** Which of the backends is set up; undefined: the first one. */
  readonly place?: Place
  /** Settings that were given, by their names as the first backend has them. */
  readonly changes: Changes
  /** A new PIN; undefined keeps the stored one. Giving one is the person's act that ends a latched refusal. */
  readonly pin: SecretBytes | undefined
  /** Leave another partition behind, or make new keys where the authentication key was lost. */
  readonly force: boolean
  /** A new password of the keystore. */
  readonly keystorePassword?: string
}

export interface SetUpResult {
  readonly backend: string
  readonly hardware: Hardware
  readonly device: string
  readonly domain: string
  readonly canary: Fingerprint
  /** Labels of the keys made in the partition; none when it was set up before. */
  readonly keysMade: readonly string[]
  readonly certificateFile: string
  readonly certificateFingerprint: Fingerprint
  readonly warnings: readonly string[]
}

/**
 * @throws ERR_SETTINGS with every fault of the settings; ERR_HSM_LOGIN after exactly one login; ERR_WRONG_PARTITION for
 * another partition than the one before, unless forced. Then the settings file is as it was.
 */
export async function setUp(o: SetUpOptions): Promise<SetUpResult> {
  await makePrivateDirectory(o.paths.keystore)
  const key = await ensureSettingsKey(settingsKeyPath(o.paths))
  return await withSecret(key, () => setUpWithKey(o, key))
}

async function setUpWithKey(o: SetUpOptions, key: SecretBytes): Promise<SetUpResult> {
  const old = await readTextIfThere(o.paths.settings)
  const written = { hardware: o.hardware, place: o.place }
  const text = toSettingsText(old, written, { ...toChanges(o), ...sealPin(o, key) })
  const configuration = parseConfiguration(text, basename(o.paths.settings), key)
  const backend = findOwn(configuration, o.place)
  try {
    if (o.pin) await releaseLatch(latchOf(o.paths, backend.name))
    const prepared = await prepareDevice(o, backend)
    const { domain } = prepared.partition.keys
    requireOwnDomain(configuration, backend, domain)
    await keepOldFile(o, old)
    const saved = await save(o, configuration, {
      text: toSettingsText(text, written, { [commonSchema.domain.name]: domain }),
    })
    return { backend: backend.name, ...toResult(o, prepared), ...saved }
  } finally {
    withoutPins(configuration)
  }
}

function findOwn({ backends }: Configuration, place: Place): BackendConfiguration {
  return backends.find(({ name }) => name === place) ?? backends[0]
}

/** Two names for one partition would count, make and revoke its keys twice. @throws ERR_CONFLICT */
function requireOwnDomain(
  { backends }: Configuration,
  own: BackendConfiguration,
  domain: string,
): void {
  const twin = backends.find((other) => other !== own && other.settings.domain === domain)
  if (!twin) return
  throw new DomainError('ERR_CONFLICT', `this is the partition of the backend ${twin.name}`, {
    hints: ['each backend needs a partition of its own; nothing was changed'],
  })
}

interface Prepared {
  readonly device: string
  readonly warnings: readonly string[]
  readonly partition: MadePartition
}

async function prepareDevice(
  o: SetUpOptions,
  configuration: BackendConfiguration,
): Promise<Prepared> {
  const { name, device, settings, pin } = configuration
  if (device.hardware === 'soft-token') await ensureSoftToken(device, pin)
  const deviceUser = findDeviceUser(configuration, pin)
  const findings = await checkInstallation(configuration, { ...o, deviceUser })
  if (device.hardware === 'keysecure') {
    await requireReadyAppliance(device, { latch: latchOf(o.paths, name), clock: o.clock }, pin)
  }
  const hsm = await openDevice({ ...o, configuration }).catch((error: unknown) => {
    throw withFindings(toDomainError(error), findings)
  })
  try {
    const kind = settings.kind ?? (await findDefaultKind(device.hardware))
    if (!hsm.capabilities.kinds.includes(kind)) {
      throw new DomainError('ERR_HSM_NOT_SUPPORTED', `the HSM cannot make keys of kind ${kind}`)
    }
    const { domain } = settings
    const partition = await makePartitionKeys(hsm, {
      kind,
      force: o.force,
      clock: o.clock,
      ...(domain === undefined ? {} : { expectedDomain: domain }),
    })
    partition.keys.kAuth.wipe()
    partition.keys.keyIds.wipe()
    await proveKey(hsm, partition.keys.canary)
    const warnings = [
      ...findings.flatMap(toWarnings),
      ...findDeviceWarnings(hsm.profile, hsm.capabilities),
    ]
    return { device: hsm.description, warnings, partition }
  } finally {
    await hsm.close()
  }
}

function toWarnings({ verdict, check, found, remedy }: VendorFinding): string[] {
  return verdict === 'bad' ? [[`${check}: ${found}`, ...remedy].join('; ')] : []
}

async function save(
  { paths, env, keystorePassword }: SetUpOptions,
  { settings }: Configuration,
  { text }: { readonly text: string },
) {
  const { keystore } = await ensureKeystore(paths.keystore, settings.address, env)
  if (keystorePassword !== undefined) {
    await changeKeystorePassword(paths.keystore, { env, password: keystorePassword })
  }
  await ensureLocalAdministrator(paths.admin)
  for (const folder of [paths.truststore, paths.run, paths.log]) await makePrivateDirectory(folder)
  await ensureLogging(paths)
  await exportTruststore(paths, env)
  await writeFileAtomically(paths.settings, text, 0o600)
  const certificate = new X509Certificate(keystore.certificate)
  return {
    certificateFile: `${paths.keystore}/keyhsm.pem`,
    certificateFingerprint: certificateFingerprint(certificate),
  }
}

function toResult({ hardware }: SetUpOptions, { device, warnings, partition }: Prepared) {
  const { domain, canaryFingerprint } = partition.keys
  return { hardware, device, domain, canary: canaryFingerprint, keysMade: partition.made, warnings }
}

/**
 * What would be written, its password masked; asks no device and changes nothing.
 * @throws ERR_SETTINGS with every fault of the settings.
 */
export async function previewSettings(
  o: Pick<SetUpOptions, 'paths' | 'hardware' | 'place' | 'changes' | 'pin' | 'keystorePassword'>,
): Promise<string> {
  const { hardware, place } = o
  const { name } = secretSettings[hardware]
  const old = await readTextIfThere(o.paths.settings)
  const pin = o.pin === undefined ? {} : { [name]: masked }
  const text = toSettingsText(old, { hardware, place }, { ...toChanges(o), ...pin })
  const schema = place === undefined ? schemaFor(hardware) : backendSchemaFor(hardware)
  parseSettings(text, placeSchema(schema, place), basename(o.paths.settings), {
    concerns: (line) => placeOf(line) === place,
  })
  return text.replaceAll(/sealed:v1:[A-Za-z0-9+/=]+/g, masked)
}

const masked = '[password, sealed]'

/** A new password of the keystore was asked for once. */
function toChanges({
  changes,
  keystorePassword,
}: Pick<SetUpOptions, 'changes' | 'keystorePassword'>) {
  return keystorePassword === undefined
    ? changes
    : { ...changes, [commonSchema.passwordSet.name]: 'no' }
}

/** The file of the old product stays beside ours, byte for byte. */
async function keepOldFile({ paths, hardware, place }: SetUpOptions, old: string | undefined) {
  if (old === undefined || findUnread(viewOf(old, place), hardware).length === 0) return
  const bytes = await readFile(paths.settings)
  const kept = `${paths.settings}.before-setup`
  await writeFile(kept, bytes, { flag: 'wx', mode: 0o600 }).catch((error: unknown) => {
    if (systemCode(error) !== 'EEXIST') throw toFileError(error, `cannot write ${basename(kept)}`)
  })
}

/** Bound to the name under which it stands. */
function sealPin({ hardware, place, pin }: SetUpOptions, key: SecretBytes): Changes {
  const { name } = secretSettings[hardware]
  return pin === undefined ? {} : { [name]: sealSetting(key, placeName(name, place), pin) }
}
