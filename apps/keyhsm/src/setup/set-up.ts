/**
 * Setting up Key HSM: connect with the new settings for real, prepare the partition, and only then save. Running it again
 * keeps the partition's keys, the TLS key and the trust list, and takes over what was given.
 */
import { basename } from 'node:path'
import { X509Certificate } from 'node:crypto'
import {
  type Clock,
  DomainError,
  type Fingerprint,
  type SecretBytes,
  withSecret,
} from '@keyhsm/core'
import {
  certificateFingerprint,
  ensureSettingsKey,
  type Log,
  sealSetting,
  writeFileAtomically,
} from '@keyhsm/service'
import { type Configuration, parseConfiguration, settingsKeyPath } from '../configuration.js'
import { ensureSoftToken, findDefaultKind } from '../drivers.js'
import { makePrivateDirectory, readTextIfThere } from '../files.js'
import { ensureKeystore } from '../keystore.js'
import { proveKey } from '../keys/prove-key.js'
import { ensureLocalAdministrator } from '../local-administrator.js'
import { ensureLogging } from '../logging.js'
import { releaseLatch } from '../login-latch.js'
import { type MadePartition, makePartitionKeys } from '../partition/make-partition-keys.js'
import { openDevice } from '../partition/open-partition.js'
import type { Paths } from '../paths.js'
import type { Environment } from '../service/live-state.js'
import { findDeviceWarnings } from '../service/status.js'
import { commonSchema, type Hardware, secretSettings } from '../settings.js'
import { exportTruststore } from '../trust/export-truststore.js'
import { type Changes, toSettingsText } from './settings-text.js'

export interface SetUpOptions {
  readonly paths: Paths
  readonly env: Environment
  readonly log: Log
  readonly clock: Clock
  readonly hardware: Hardware
  /** Settings that were given, by name. */
  readonly changes: Changes
  /** A new PIN; undefined keeps the stored one. Giving one is the person's act that ends a latched refusal. */
  readonly pin: SecretBytes | undefined
  /** Leave another partition behind, or make new keys where the authentication key was lost. */
  readonly force: boolean
}

export interface SetUpResult {
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
  const text = toSettingsText(old, o.hardware, { ...o.changes, ...sealPin(o, key) })
  const configuration = parseConfiguration(text, basename(o.paths.settings), key)
  try {
    if (o.pin) await releaseLatch(o.paths.latch)
    const prepared = await prepareDevice(o, configuration)
    const { domain } = prepared.partition.keys
    const saved = await save(o, configuration, {
      text: toSettingsText(text, o.hardware, { [commonSchema.domain.name]: domain }),
    })
    return { ...toResult(o, prepared), ...saved }
  } finally {
    configuration.pin.wipe()
  }
}

interface Prepared {
  readonly device: string
  readonly warnings: readonly string[]
  readonly partition: MadePartition
}

async function prepareDevice(o: SetUpOptions, configuration: Configuration): Promise<Prepared> {
  const { device, settings, pin } = configuration
  if (device.hardware === 'soft-token') await ensureSoftToken(device, pin)
  const hsm = await openDevice({ ...o, configuration })
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
    const warnings = findDeviceWarnings(hsm.profile, hsm.capabilities)
    return { device: hsm.description, warnings, partition }
  } finally {
    await hsm.close()
  }
}

async function save(
  { paths, env }: SetUpOptions,
  { settings }: Configuration,
  { text }: { readonly text: string },
) {
  const { keystore } = await ensureKeystore(paths.keystore, settings.address, env)
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

function sealPin({ hardware, pin }: SetUpOptions, key: SecretBytes): Changes {
  const name = secretSettings[hardware].name
  return pin === undefined ? {} : { [name]: sealSetting(key, name, pin) }
}
