import { DomainError } from '@keyhsm/core'
import type { HsmKey, KeySpec, StillWanted } from '@keyhsm/hsm'
import { mayHaveHappened } from '../connection/cluster.js'
import { NaeRefusal, refusalToError } from '../failure.js'
import { toKeyName } from '../keys/key-names.js'
import { toNewKey } from '../keys/kinds.js'
import { keyGenRequest } from '../messages/keys.js'
import type { Device } from './device.js'

/**
 * Makes a key. When the connection broke in the middle, or the appliance refused in words that nobody knows, it is asked
 * whether there is such a key; when not, it is asked to make it once more.
 */
export async function createInDevice(
  device: Device,
  spec: KeySpec,
  stillWanted: StillWanted,
): Promise<HsmKey> {
  try {
    return await generate(device, spec, stillWanted)
  } catch (error) {
    const unclear = error instanceof NaeRefusal ? error.means === 'unknown' : mayHaveHappened(error)
    if (!unclear) throw error instanceof NaeRefusal ? toCreateError(error) : error
    const made = await device.directory.find(spec.id)
    if (!made) return await generateAgain(device, spec, stillWanted)
    // After a refusal it is somebody else's.
    if (error instanceof NaeRefusal || !isSame(made.key, spec)) throw alreadyExists()
    return made.key
  }
}

async function generate(
  { cluster, directory, dialect, timers }: Device,
  spec: KeySpec,
  stillWanted: StillWanted,
): Promise<HsmKey> {
  const name = toKeyName(spec.id)
  const { member } = await cluster.run({ key: name, kind: 'write' }, async (link) => {
    stillWanted()
    return await link.request(keyGenRequest(dialect, toNewKey(dialect, spec)), timers.keyGenMs)
  })
  cluster.pin(name, member, 'made')
  const seen = await directory.look(spec.id, member)
  if (seen && isSame(seen.key, spec)) return seen.key
  throw new DomainError('ERR_HSM_REFUSED', 'the HSM does not show the key as it was asked for')
}

async function generateAgain(
  device: Device,
  spec: KeySpec,
  stillWanted: StillWanted,
): Promise<HsmKey> {
  try {
    return await generate(device, spec, stillWanted)
  } catch (error) {
    throw error instanceof NaeRefusal ? toCreateError(error) : error
  }
}

function toCreateError(refusal: NaeRefusal): DomainError {
  return refusal.means === 'exists' ? alreadyExists() : refusalToError(refusal)
}

function isSame(key: HsmKey, spec: KeySpec): boolean {
  return key.kind === spec.kind && key.use === spec.use && key.label === spec.label
}

function alreadyExists(): DomainError {
  return new DomainError('ERR_ALREADY_EXISTS', 'an HSM key has this id')
}
