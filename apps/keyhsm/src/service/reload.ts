/** Taking over a changed settings file, trust list and TLS key: all of it, or nothing. */
import { type SecretBytes, withSecret } from '@keyhsm/core'
import { canChangePin, canChangeTrust } from '@keyhsm/hsm'
import type { LogConfiguration, TlsServing } from '@keyhsm/service'
import { type Configuration, readConfiguration } from '../configuration.js'
import { findDefaultKind } from '../drivers.js'
import { readTextIfThere } from '../files.js'
import { toKeySettings } from '../partition/open-partition.js'
import type { Partition } from '../partition/partition.js'
import type { Paths } from '../paths.js'
import {
  type Environment,
  findRestartNeeds,
  withPins,
  type LiveState,
  readLiveState,
  toTlsServing,
} from './live-state.js'

export interface ReloadOptions {
  readonly paths: Paths
  readonly env: Environment
  readonly before: LiveState
  readonly partition: Partition
  /** @throws ERR_SETTINGS when key, certificate or trust list are unusable; then the old ones stay. */
  readonly reloadTls: (tls: TlsServing) => void
  /** @throws when a log file cannot be opened; then the old ones stay. */
  readonly reloadLog: (configuration: LogConfiguration) => void
}

export interface ReloadResult {
  readonly next: LiveState
  readonly applied: string[]
  readonly needsRestart: string[]
}

/**
 * Builds the new state and puts the parts that can change into use. What needs a restart keeps its running value.
 * @throws ERR_SETTINGS and errors of the HSM; then everything stays as it was.
 */
export async function reloadLiveState(o: ReloadOptions): Promise<ReloadResult> {
  const { pin, ...configuration } = await readConfiguration(o.paths)
  return await withSecret(pin, () => reloadWith(o, configuration, pin))
}

async function reloadWith(
  o: ReloadOptions,
  configuration: Omit<Configuration, 'pin'>,
  pin: SecretBytes,
): Promise<ReloadResult> {
  const read = await readLiveState(o.paths, o.env, configuration)
  const needsRestart = findRestartNeeds(o.before, read)
  const next = keepFixed(o.before, read)
  o.reloadLog(next.logging.configuration)
  try {
    o.reloadTls(toTlsServing(next))
    await changeKeySettings(o, next)
  } catch (error) {
    o.reloadTls(toTlsServing(o.before))
    o.reloadLog(o.before.logging.configuration)
    throw error
  }
  const trusts = changeTrust(o, next)
  const changed = await changePin(o, pin)
  const applied = [
    ...describeChange(o.before, next),
    ...(trusts ? ['another trusted certificate of the HSM'] : []),
    ...(changed ? ['another password of the HSM'] : []),
  ]
  return { next, applied, needsRestart }
}

/** A certificate that a person has trusted since, by setup. */
function changeTrust({ partition: { hsm } }: ReloadOptions, { device }: LiveState): boolean {
  const pinned = 'tls' in device ? device.tls?.pinned : undefined
  return pinned !== undefined && canChangeTrust(hsm) && hsm.changeTrust(pinned)
}

/** Not while a refused login is latched: then only a person's act makes another try. */
async function changePin({ paths, partition }: ReloadOptions, pin: SecretBytes): Promise<boolean> {
  if (!canChangePin(partition.hsm)) return false
  if ((await readTextIfThere(paths.latch)) !== undefined) return false
  return partition.hsm.changePin(pin)
}

/** The new state, but for what only a restart changes. */
function keepFixed(before: LiveState, read: LiveState): LiveState {
  const { address, port, managementPort, servicePort, serviceAddress } = before.settings
  const { domain, hardware, wrap } = before.settings
  const ports = { address, port, managementPort, servicePort, serviceAddress }
  const fixed = { ...ports, domain, hardware, wrap }
  const device = withPins(before.device, read.device)
  return { ...read, device, settings: { ...read.settings, ...fixed } }
}

async function changeKeySettings({ before, partition }: ReloadOptions, next: LiveState) {
  const defaultKind = await findDefaultKind(before.device.hardware)
  const [old, wanted] = [before, next].map(({ settings }) => toKeySettings(settings, defaultKind))
  if (wanted && JSON.stringify(old) !== JSON.stringify(wanted)) {
    await partition.changeKeySettings(wanted)
  }
}

function describeChange(before: LiveState, next: LiveState): string[] {
  const trusted = new Set(before.trust.certificates.map(({ fingerprint }) => fingerprint))
  const now = next.trust.certificates.map(({ fingerprint }) => fingerprint)
  const added = now.filter((fingerprint) => !trusted.has(fingerprint)).length
  const removed = trusted.size + added - now.length
  const names = Object.keys(next.settings) as (keyof LiveState['settings'])[]
  const changed = names.filter((name) => before.settings[name] !== next.settings[name])
  const rules: readonly (readonly [boolean, string])[] = [
    [added > 0, `${added} certificate(s) are trusted now`],
    [removed > 0, `${removed} certificate(s) are no longer trusted`],
    [before.keystore.certificate !== next.keystore.certificate, 'another TLS certificate'],
    [isChanged(before.logging, next.logging), 'another configuration of the log'],
    [changed.length > 0, `settings: ${changed.join(', ')}`],
  ]
  return rules.filter(([holds]) => holds).map(([, line]) => line)
}

function isChanged(before: LiveState['logging'], next: LiveState['logging']): boolean {
  return JSON.stringify(before.configuration) !== JSON.stringify(next.configuration)
}
