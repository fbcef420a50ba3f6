/** From the settings to a recognised partition: the one way in, for `start`, `validate` and commands that work alone. */
import { type Clock, DomainError, hasCode } from '@keyhsm/core'
import type { Hsm } from '@keyhsm/hsm'
import type { Log } from '@keyhsm/service'
import type { BackendConfiguration, BackendSettings } from '../backend-configuration.js'
import { connectDevice, findDefaultKind } from '../drivers.js'
import { admitLogin, latchHints, latchLogin, latchOf } from '../login-latch.js'
import type { Paths } from '../paths.js'
import { type KeySettings, Partition } from './partition.js'

export interface OpenPartitionOptions {
  readonly paths: Paths
  readonly configuration: BackendConfiguration
  readonly log: Log
  readonly clock: Clock
  /** Puts a measuring device before the real one. */
  readonly measure?: (hsm: Hsm) => Hsm
}

/**
 * Connects to the device with exactly one login.
 * @throws ERR_HSM_LOGIN without a login while an earlier refusal is latched, and after a refusal, which latches.
 */
export async function openDevice(o: OpenPartitionOptions): Promise<Hsm> {
  const { name, settings, device, pin } = o.configuration
  const latch = latchOf(o.paths, name)
  await admitLogin(latch)
  try {
    return await connectDevice(device, {
      pin,
      wrap: settings.wrap,
      log: o.log,
      onLoginRefused: () => latchLogin(latch, o.clock.now()),
    })
  } catch (error) {
    if (!hasCode(error, 'ERR_HSM_LOGIN')) throw error
    throw new DomainError('ERR_HSM_LOGIN', error.message, { cause: error, hints: latchHints })
  }
}

/** @throws as {@link openDevice}; ERR_WRONG_PARTITION for an empty partition or another than the one that was set up. */
export async function openPartition(o: OpenPartitionOptions): Promise<Partition> {
  const { settings, device } = o.configuration
  const opened = await openDevice(o)
  const hsm = o.measure?.(opened) ?? opened
  try {
    return await Partition.connect(hsm, {
      keySettings: toKeySettings(settings, await findDefaultKind(device.hardware)),
      clock: o.clock,
      expectedDomain: settings.domain,
    })
  } catch (error) {
    await hsm.close()
    throw error
  }
}

/** The settings by which new HSM keys are made. */
export function toKeySettings(
  settings: BackendSettings,
  defaultKind: KeySettings['kind'],
): KeySettings {
  const { kind = defaultKind, keyLimit, maxAgeMs, pool } = settings
  return { kind, limit: keyLimit, maxAgeMs, pool }
}
