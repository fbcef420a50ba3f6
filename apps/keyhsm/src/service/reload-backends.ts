/** The HSMs of a changed settings file: kept, added, taken away, tried again. */
import { canChangePin, canChangeTrust } from '@keyhsm/hsm'
import type { BackendConfiguration, BackendDescription } from '../backend-configuration.js'
import type { Configuration } from '../configuration.js'
import { findDefaultKind } from '../drivers.js'
import { readTextIfThere } from '../files.js'
import { latchOf } from '../login-latch.js'
import { type ConnectingBackend, requireUnique } from '../partition/connecting-backend.js'
import { toKeySettings } from '../partition/open-partition.js'
import { Partitions } from '../partition/partitions.js'
import type { Paths } from '../paths.js'
import type { BackendHouse, House } from './backend-house.js'
import type { LiveState } from './live-state.js'

export interface NextBackends {
  readonly house: House
  /** Connected for this reload alone: closed again when it fails. */
  readonly added: readonly ConnectingBackend[]
}

/**
 * The backends of the new file. One that is connected stays; one that could not be is tried again with what the file says
 * now, and may fail again.
 * @throws why a backend that is new in the file cannot be connected; then none of them is left open.
 */
export async function makeNextBackends(
  { backends, defaultBackend }: Configuration,
  current: BackendHouse,
): Promise<NextBackends> {
  const before = current.partitions.backends
  const made: { readonly backend: ConnectingBackend; readonly isNew: boolean }[] = []
  const next = backends.map((one) => {
    const known = before.find(({ name }) => name === one.name)
    if (known?.partition) return known
    const backend = current.make(one)
    made.push({ backend, isNew: known === undefined })
    return backend
  })
  const tries = await Promise.allSettled(made.map(({ backend }) => backend.connect()))
  const added = made.map(({ backend }) => backend)
  try {
    const failed = tries.find((one, at) => one.status === 'rejected' && made[at]?.isNew)
    if (failed?.status === 'rejected') throw failed.reason
    requireDifferent(next)
    return { house: new Partitions(next, defaultBackend), added }
  } catch (error) {
    await closeAll(added)
    throw error
  }
}

/** Those that came in one reload did not see each other when they were connected. */
function requireDifferent(backends: readonly ConnectingBackend[]): void {
  for (const [at, { partition }] of backends.entries()) {
    if (partition) requireUnique(partition, backends.slice(0, at))
  }
}

export async function closeAll(backends: readonly ConnectingBackend[]): Promise<void> {
  await Promise.all(backends.map((backend) => backend.close()))
}

/** Gives each connected backend the key settings that hold now. @throws errors of the HSM; then all have the old ones. */
export async function changeAllKeySettings(
  house: House,
  before: LiveState,
  next: LiveState,
): Promise<void> {
  const undo: (() => Promise<void>)[] = []
  try {
    for (const { backend, partition } of house.connected()) {
      const [old, now] = [before, next].map(({ backends }) => findNamed(backends, backend.name))
      if (!old || !now || JSON.stringify(old.settings) === JSON.stringify(now.settings)) continue
      const kind = await findDefaultKind(now.device.hardware)
      await partition.changeKeySettings(toKeySettings(now.settings, kind))
      undo.push(() => partition.changeKeySettings(toKeySettings(old.settings, kind)))
    }
  } catch (error) {
    for (const back of undo) await back().catch(() => undefined)
    throw error
  }
}

/** Gives devices the certificates that a person has trusted since, by setup. @returns the names of those that took others */
export function changeTrusts(house: House, { backends }: Pick<LiveState, 'backends'>): string[] {
  return house.connected().flatMap(({ backend: { name }, partition: { hsm } }) => {
    const device = findNamed(backends, name)?.device
    const pinned = device && 'tls' in device ? device.tls?.pinned : undefined
    const changed = pinned !== undefined && canChangeTrust(hsm) && hsm.changeTrust(pinned)
    return changed ? [name] : []
  })
}

/**
 * Gives devices the passwords of the file; not while a refused login is latched: then only a person's act makes another try.
 * @returns the names of those that took another one
 */
export async function changePins(
  house: House,
  backends: readonly BackendConfiguration[],
  paths: Paths,
): Promise<string[]> {
  const changed: string[] = []
  for (const { backend, partition } of house.connected()) {
    const configured = findNamed(backends, backend.name)
    if (!configured || !canChangePin(partition.hsm)) continue
    if ((await readTextIfThere(latchOf(paths, backend.name))) !== undefined) continue
    if (partition.hsm.changePin(configured.pin)) changed.push(backend.name)
  }
  return changed
}

function findNamed<Named extends Pick<BackendDescription, 'name'>>(
  backends: readonly Named[],
  name: string,
): Named | undefined {
  return backends.find((one) => one.name === name)
}
