import { DomainError, hasCode } from '@keyhsm/core'
import { type HsmKey, type KeySpec, type StillWanted } from '@keyhsm/hsm'
import { mayHaveHappened } from '../connection/cluster.js'
import { NaeRefusal, refusalToError } from '../failure.js'
import { toKeyName } from '../keys/key-names.js'
import { toNewKey } from '../keys/kinds.js'
import { keyGenRequest } from '../messages/keys.js'
import type { Device } from './device.js'

/**
 * Makes a key. When the connection broke in the middle, the appliance is asked whether it was made; when not, it is asked
 * to make it once more.
 */
export async function createInDevice(
  device: Device,
  spec: KeySpec,
  stillWanted: StillWanted,
): Promise<HsmKey> {
  try {
    return await generate(device, spec, stillWanted)
  } catch (error) {
    if (error instanceof NaeRefusal) throw await toCreateError(device, spec, error)
    if (!mayHaveHappened(error)) throw error
    const made = await device.directory.find(spec.id)
    if (!made) return await generateAgain(device, spec, stillWanted)
    if (isSame(made.key, spec)) return made.key
    throw alreadyExists()
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
  cluster.pin(name, member)
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
    throw error instanceof NaeRefusal ? await toCreateError(device, spec, error) : error
  }
}

/** The text of a refusal may be unknown: whether the name is taken is seen by looking. */
async function toCreateError(
  device: Device,
  spec: KeySpec,
  refusal: NaeRefusal,
): Promise<DomainError> {
  if (refusal.means === 'exists') return alreadyExists()
  if (refusal.means !== 'unknown') return refusalToError(refusal)
  try {
    return (await device.directory.find(spec.id)) ? alreadyExists() : refusalToError(refusal)
  } catch (error) {
    if (hasCode(error, 'ERR_HSM_UNAVAILABLE')) return error
    throw error
  }
}

function isSame(key: HsmKey, spec: KeySpec): boolean {
  return key.kind === spec.kind && key.use === spec.use && key.label === spec.label
}

function alreadyExists(): DomainError {
  return new DomainError('ERR_ALREADY_EXISTS', 'an HSM key has this id')
}
