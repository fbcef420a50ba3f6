import { DomainError, type HsmKeyId } from '@keyhsm/core'
import type { StillWanted } from '@keyhsm/hsm'
import { mayHaveHappened } from '../connection/cluster.js'
import { NaeRefusal, toPublicError } from '../failure.js'
import type { Sighting } from '../keys/key-directory.js'
import { toKeyName } from '../keys/key-names.js'
import { keyDelRequest, keyVersionModifyRequest } from '../messages/keys.js'
import type { Device } from './device.js'

/**
 * Destroys a key and looks for it again. A versioned key that somebody made undeletable is wiped version by version, which
 * destroys its bytes and leaves its name.
 * @throws ERR_HSM_REFUSED when the key cannot be destroyed
 */
export async function destroyInDevice(
  device: Device,
  id: HsmKeyId,
  stillWanted: StillWanted,
): Promise<'destroyed' | 'already-gone'> {
  const { cluster, directory } = device
  const seen = await directory.find(id)
  if (!seen) return 'already-gone'
  stillWanted()
  directory.forget(id)
  cluster.pin(toKeyName(id), seen.member, 'destroyed')
  const trouble = await tryToErase(device, id, seen)
  if (trouble !== undefined) {
    const left = await settle(device, id, trouble)
    if (!left) return 'destroyed'
    // The login may have been lost, in words that nobody knows, or the request: it is asked once more.
    const again = await tryToErase(device, id, left)
    if (again !== undefined) throw toPublicError(again)
  }
  if (!(await directory.look(id, seen.member))) return 'destroyed'
  throw new DomainError('ERR_HSM_REFUSED', 'the HSM still shows the key that it destroyed')
}

/** Somebody else may have been faster, or the connection broke: what counts is whether the key is there. */
async function settle(
  device: Device,
  id: HsmKeyId,
  trouble: unknown,
): Promise<Sighting | undefined> {
  const unclear =
    trouble instanceof NaeRefusal
      ? trouble.means === 'unknown' || trouble.means === 'missing-or-forbidden'
      : mayHaveHappened(trouble)
  if (!unclear) throw toPublicError(trouble)
  return await device.directory.find(id)
}

async function tryToErase(device: Device, id: HsmKeyId, seen: Sighting): Promise<unknown> {
  return await erase(device, id, seen).then(
    () => undefined,
    (error: unknown) => error,
  )
}

async function erase(device: Device, id: HsmKeyId, seen: Sighting): Promise<void> {
  const { cluster, dialect, timers } = device
  const name = toKeyName(id)
  await cluster.run({ key: name, kind: 'write', at: seen.member }, async (link) => {
    try {
      await link.request(keyDelRequest(dialect, name), timers.readMs)
    } catch (error) {
      const wipes = error instanceof NaeRefusal && error.means === 'not-deletable' && !error.fatal
      if (!wipes || seen.versions.length === 0) throw error
      for (const { number, state } of seen.versions) {
        if (state === 'wiped') continue
        for (const next of state === 'retired'
          ? (['wiped'] as const)
          : (['retired', 'wiped'] as const)) {
          await link.request(keyVersionModifyRequest(dialect, name, number, next), timers.readMs)
        }
      }
    }
  })
}
