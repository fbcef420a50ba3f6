/** Making an HSM key such that no useless one stays behind: counted, proved by a round trip, destroyed when it fails. */
import { hasCode } from '@keyhsm/core'
import type { CallOptions, Hsm, HsmKey, KeySpec } from '@keyhsm/hsm'
import type { Capacity } from './capacity.js'
import { proveKey } from './prove-key.js'

/** Time given to the clean-up of a key, whatever the caller's deadline was. */
const discardDeadlineMs = 3000

/**
 * Makes the key `spec` and counts it.
 * @throws ERR_HSM_FULL before the device is asked; every error of `createKey`. After ERR_HSM_UNAVAILABLE the key may
 * exist all the same, so its removal is tried; what that misses is an orphan that `ktadmin hsm-keys prune` finds.
 */
export async function createCountedKey(
  device: { readonly hsm: Hsm; readonly capacity: Capacity },
  spec: KeySpec,
  options: CallOptions = {},
): Promise<HsmKey> {
  device.capacity.reserve()
  try {
    return await device.hsm.createKey(spec, options)
  } catch (error) {
    device.capacity.release()
    if (hasCode(error, 'ERR_HSM_UNAVAILABLE')) await tryDestroy(device.hsm, spec)
    throw error
  }
}

/** Makes a key, proves it by one round trip, and destroys it again when the proof fails. */
export async function createProvedKey(
  device: { readonly hsm: Hsm; readonly capacity: Capacity },
  spec: KeySpec,
  options: CallOptions = {},
): Promise<HsmKey> {
  const key = await createCountedKey(device, spec, options)
  try {
    await proveKey(device.hsm, key, options)
    return key
  } catch (error) {
    await discardKey(device, key)
    throw error
  }
}

/** Destroys a key under which certainly nothing was stored. Never throws: what is left is an orphan for prune. */
export async function discardKey(
  device: { readonly hsm: Hsm; readonly capacity: Capacity },
  spec: KeySpec,
): Promise<'discarded' | 'left'> {
  const gone = await tryDestroy(device.hsm, spec)
  if (gone) device.capacity.release()
  return gone ? 'discarded' : 'left'
}

async function tryDestroy(hsm: Hsm, spec: KeySpec): Promise<boolean> {
  try {
    await hsm.destroyKey(spec.id, { deadlineMs: discardDeadlineMs })
    return true
  } catch {
    return false
  }
}
