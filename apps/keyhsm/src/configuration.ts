/** `application.properties` as a whole: which devices, with which PINs, and everything else, checked. */
import { basename, join } from 'node:path'
import { DomainError, type FieldFault, hasCode, type SecretBytes, withSecret } from '@keyhsm/core'
import { readSettingLines, readSettingsKey, secretOpener, settingsError } from '@keyhsm/service'
import {
  type BackendConfiguration,
  type BackendDescription,
  type BackendParsed,
  type CommonSettings,
  parseBackend,
} from './backend-configuration.js'
import { findPlaces, placeName, placeOf } from './backend-names.js'
import { readTextIfThere } from './files.js'
import type { Paths } from './paths.js'
import { commonSchema } from './settings.js'

/** What the file says of the service, and of each HSM. */
export interface Configuration<Backend = BackendConfiguration> {
  readonly settings: CommonSettings
  /** The first is the one whose settings have no prefix. */
  readonly backends: readonly [Backend, ...Backend[]]
  /** Name of the backend for new deposits. */
  readonly defaultBackend: string
}

/** A configuration without its PINs. */
export type ShownConfiguration = Configuration<BackendDescription>

/** The file that holds the key under which the PINs are sealed; not the TLS key's password. */
export function settingsKeyPath(paths: Pick<Paths, 'keystore'>): string {
  return join(paths.keystore, 'settings.key')
}

/**
 * Reads and checks the settings file, every fault at once.
 * @throws ERR_SETTINGS when there is none, or with its faults and their lines.
 */
export async function readConfiguration(paths: Paths): Promise<Configuration> {
  const text = await readSettingsText(paths)
  const key = await readOwnSettingsKey(paths)
  return await withSecret(key, () => parseConfiguration(text, basename(paths.settings), key))
}

/**
 * The key under which the passwords of the settings file are sealed; the caller wipes it.
 * @throws ERR_SETTINGS when there is none: the file was written by hand or by the old product, or the keystore is lost.
 */
export async function readOwnSettingsKey(paths: Pick<Paths, 'keystore'>): Promise<SecretBytes> {
  try {
    return await readSettingsKey(settingsKeyPath(paths))
  } catch (cause) {
    if (!hasCode(cause, 'ERR_NOT_FOUND')) throw cause
    throw new DomainError(
      'ERR_SETTINGS',
      'there is a settings file, but no keystore/settings.key that opens its passwords',
      {
        cause,
        hints: [
          'a file of the old product, or one copied from elsewhere: `keyhsm setup <hsm name>` takes it over and names the lines that it cannot read',
          'if the keystore was lost: restore the folder keystore/ from a backup, or run that setup again',
        ],
      },
    )
  }
}

/** As {@link readConfiguration}, for those who need no PIN. */
export async function readShownConfiguration(paths: Paths): Promise<ShownConfiguration> {
  return withoutPins(await readConfiguration(paths))
}

/** The part that may be shown. */
export function showConfiguration({ backends, ...rest }: Configuration): ShownConfiguration {
  const show = ({ name, settings, device }: BackendDescription) => ({ name, settings, device })
  const [first, ...others] = backends
  return { ...rest, backends: [show(first), ...others.map(show)] }
}

/** The part that may be shown; wipes the PINs. */
export function withoutPins(configuration: Configuration): ShownConfiguration {
  for (const { pin } of configuration.backends) pin.wipe()
  return showConfiguration(configuration)
}

/** The text of the settings file. @throws ERR_SETTINGS when there is none. */
export async function readSettingsText(paths: Pick<Paths, 'settings'>): Promise<string> {
  const text = await readTextIfThere(paths.settings)
  if (text !== undefined) return text
  throw new DomainError('ERR_SETTINGS', `Key HSM is not set up: there is no ${paths.settings}`, {
    hints: ['run `keyhsm setup <hsm name>`'],
  })
}

/** @throws ERR_SETTINGS with every fault of the text. */
export function parseConfiguration(text: string, file: string, key: SecretBytes): Configuration {
  const openSecret = secretOpener(key)
  const parsed: BackendParsed[] = []
  const faults: FieldFault[] = []
  for (const place of [undefined, ...findPlaces(text, file)]) {
    const options = { openSecret, concerns: (name: string) => placeOf(name) === place }
    try {
      parsed.push(parseBackend({ text, file, place, options }))
    } catch (error) {
      if (!hasCode(error, 'ERR_SETTINGS') || error.faults.length === 0) throw error
      faults.push(...error.faults)
    }
  }
  const [first, ...others] = parsed
  if (first?.common && faults.length === 0) {
    const found = assemble({ ...first, common: first.common }, others)
    const wrong = findContradictions(found, text, file)
    if (wrong.length === 0) return found
    faults.push(...wrong)
  }
  for (const { pin } of parsed) pin.wipe()
  throw settingsError(file, faults)
}

function assemble(
  first: BackendParsed & { readonly common: CommonSettings },
  others: readonly BackendParsed[],
): Configuration {
  const { common: settings } = first
  const toBackend = ({ place, own, device, pin }: BackendParsed) => {
    return { name: place ?? settings.backendName, settings: own, device, pin }
  }
  const { backendName, defaultBackend = backendName } = settings
  return { settings, defaultBackend, backends: [toBackend(first), ...others.map(toBackend)] }
}

/** What each line allows and all together do not. */
function findContradictions(
  { settings, backends, defaultBackend }: Configuration,
  text: string,
  file: string,
): FieldFault[] {
  const lines = readSettingLines(text, file)
  const fault = (field: string, rule: string): FieldFault => {
    const line = lines.find(({ name }) => name === field)?.line
    return line === undefined ? { field, rule } : { field, rule, line }
  }
  const names = backends.map(({ name }) => name)
  const { backendName, defaultBackend: chosen, domain } = commonSchema
  const places = names.slice(1)
  return [
    ...(places.includes(settings.backendName)
      ? [fault(backendName.name, 'is the name of another HSM too')]
      : []),
    ...(names.includes(defaultBackend)
      ? []
      : [fault(chosen.name, `must be one of ${names.join(', ')}`)]),
    ...backends.flatMap((one, at) => {
      const same = backends.slice(0, at).find((other) => isSameDomain(one, other))
      const rule = `is the partition of ${same?.name} too`
      return same ? [fault(placeName(domain.name, places[at - 1]), rule)] : []
    }),
  ]
}

function isSameDomain(one: BackendDescription, other: BackendDescription): boolean {
  const { domain } = one.settings
  return domain !== undefined && domain === other.settings.domain
}
