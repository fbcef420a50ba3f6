/** Taking over a changed settings file, trust list and TLS key: all of it, or nothing. */
import type { LogConfiguration, TlsServing } from '@keyhsm/service'
import type { BackendDescription } from '../backend-configuration.js'
import {
  type Configuration,
  readConfiguration,
  showConfiguration,
  withoutPins,
} from '../configuration.js'
import type { Paths } from '../paths.js'
import type { BackendHouse, House } from './backend-house.js'
import {
  findRestartNeeds,
  fixedNames,
  type LiveState,
  readLiveState,
  toTlsServing,
  withPins,
} from './live-state.js'
import type { Environment } from '../keystore-password.js'
import {
  changeAllKeySettings,
  changePins,
  changeTrusts,
  closeAll,
  makeNextBackends,
} from './reload-backends.js'

export interface ReloadOptions {
  readonly paths: Paths
  readonly env: Environment
  readonly before: LiveState
  readonly backends: BackendHouse
  /** @throws ERR_SETTINGS when key, certificate or trust list are unusable; then the old ones stay. */
  readonly reloadTls: (tls: TlsServing) => void
  /** @throws when a log file cannot be opened; then the old ones stay. */
  readonly reloadLog: (configuration: LogConfiguration) => void
}

export interface ReloadResult {
  readonly next: LiveState
  /** To be put in place of the present ones. */
  readonly house: House
  readonly applied: string[]
  readonly needsRestart: string[]
}

/**
 * Builds the new state and puts the parts that can change into use. What needs a restart keeps its running value.
 * @throws ERR_SETTINGS and errors of the HSMs; then everything stays as it was.
 */
export async function reloadLiveState(o: ReloadOptions): Promise<ReloadResult> {
  const configuration = await readConfiguration(o.paths)
  try {
    return await reloadWith(o, keepName(o.before, configuration))
  } finally {
    withoutPins(configuration)
  }
}

async function reloadWith(o: ReloadOptions, configuration: Configuration): Promise<ReloadResult> {
  const read = await readLiveState(o.paths, o.env, showConfiguration(configuration))
  const needsRestart = findRestartNeeds(o.before, read)
  const { house, added } = await makeNextBackends(configuration, o.backends)
  const inUse = (name: string) => o.backends.partitions.backends.includes(house.find(name))
  const next = keepFixed(o.before, read, inUse)
  try {
    o.reloadLog(next.logging.configuration)
    o.reloadTls(toTlsServing(next))
    await changeAllKeySettings(house, o.before, next)
  } catch (error) {
    o.reloadTls(toTlsServing(o.before))
    o.reloadLog(o.before.logging.configuration)
    await closeAll(added)
    throw error
  }
  const trusts = changeTrusts(house, next)
  const pins = await changePins(house, configuration.backends, o.paths)
  const applied = [
    ...describeChange(o.before, next),
    ...trusts.map((name) => `another trusted certificate of the HSM${nameIn(house, name)}`),
    ...pins.map((name) => `another password of the HSM${nameIn(house, name)}`),
  ]
  return { next, house, applied, needsRestart }
}

/** A name is for people: where the first backend is only called otherwise, it keeps the name until the next start. */
function keepName(before: LiveState, configuration: Configuration): Configuration {
  const [first, ...others] = configuration.backends
  const [old] = before.backends
  const taken = withPins(old.device, first.device)
  const sameDevice = JSON.stringify(first.device) === JSON.stringify(taken)
  if (first.name === old.name || !sameDevice) return configuration
  const { defaultBackend } = configuration
  return {
    ...configuration,
    backends: [{ ...first, name: old.name }, ...others],
    defaultBackend: defaultBackend === first.name ? old.name : defaultBackend,
  }
}

/** The new state, but for what only a restart changes. */
function keepFixed(
  before: LiveState,
  read: LiveState,
  inUse: (name: string) => boolean,
): LiveState {
  const keys = Object.keys(fixedNames) as (keyof typeof fixedNames)[]
  const fixed = Object.fromEntries(keys.map((key) => [key, before.settings[key]]))
  const [first, ...others] = read.backends
  const keep = (backend: BackendDescription): BackendDescription => {
    const old = before.backends.find(({ name }) => name === backend.name)
    // A backend that could not be connected was made anew, from what the file says now.
    if (!old || !inUse(old.name)) return backend
    const { domain, wrap } = old.settings
    const settings = { ...backend.settings, domain, wrap }
    return { ...backend, device: withPins(old.device, backend.device), settings }
  }
  return {
    ...read,
    settings: { ...read.settings, ...fixed },
    backends: [keep(first), ...others.map(keep)],
  }
}

function describeChange(before: LiveState, next: LiveState): string[] {
  const trusted = new Set(before.trust.certificates.map(({ fingerprint }) => fingerprint))
  const now = next.trust.certificates.map(({ fingerprint }) => fingerprint)
  const added = now.filter((fingerprint) => !trusted.has(fingerprint)).length
  const removed = trusted.size + added - now.length
  const changed = findChangedSettings(before, next)
  const rules: readonly (readonly [boolean, string])[] = [
    [added > 0, `${added} certificate(s) are trusted now`],
    [removed > 0, `${removed} certificate(s) are no longer trusted`],
    [before.keystore.certificate !== next.keystore.certificate, 'another TLS certificate'],
    [isChanged(before.logging, next.logging), 'another configuration of the log'],
    [changed.length > 0, `settings: ${changed.join(', ')}`],
  ]
  return [
    ...rules.filter(([holds]) => holds).map(([, line]) => line),
    ...describeBackends(before, next),
  ]
}

function describeBackends(before: LiveState, next: LiveState): string[] {
  const [old, now] = [before, next].map(({ backends }) => backends.map(({ name }) => name))
  const moved = before.defaultBackend !== next.defaultBackend
  return [
    ...(now ?? []).filter((name) => !old?.includes(name)).map((name) => `the HSM ${name} is added`),
    ...(old ?? [])
      .filter((name) => !now?.includes(name))
      .map((name) => `the HSM ${name} is taken away`),
    ...(moved ? [`new deposits go to the HSM ${next.defaultBackend}`] : []),
  ]
}

/** Names as the program has them; a further backend's with its own name before them. */
function findChangedSettings(before: LiveState, next: LiveState): string[] {
  const [first, ...others] = next.backends
  const common = { ...next.settings, ...first.settings }
  const old = { ...before.settings, ...before.backends[0].settings }
  const further = others.flatMap(({ name, settings }) => {
    const known = before.backends.find((one) => one.name === name)
    return known ? differences(known.settings, settings).map((key) => `${name} ${key}`) : []
  })
  return [...differences(old, common), ...further].filter((name) => name !== 'defaultBackend')
}

function differences<Values extends object>(before: Values, after: Values): string[] {
  const keys = Object.keys(after) as (keyof Values & string)[]
  return keys.filter((key) => before[key] !== after[key])
}

function nameIn({ backends }: House, name: string): string {
  return backends.length > 1 ? ` ${name}` : ''
}

function isChanged(before: LiveState['logging'], next: LiveState['logging']): boolean {
  return JSON.stringify(before.configuration) !== JSON.stringify(next.configuration)
}
