/**
 * How the settings of several HSMs stand in one file. Those of the first have the names they always had; those of another
 * are the same names below `keyhsm.backend.NAME.`, without a leading `keyhsm.`: `luna.slot` is `keyhsm.backend.new.luna.slot`,
 * `keyhsm.key.kind` is `keyhsm.backend.new.key.kind`.
 * @see docs/decisions/0041-several-backends.md
 */
import { DomainError, invalidInput } from '@keyhsm/core'
import { readSettingLines, type SettingsSchema, viewSettings } from '@keyhsm/service'

/** The name of a backend; undefined: the first one, whatever it is called. */
export type Place = string | undefined

/** Name of the first backend where the settings give it none. */
export const firstName = 'default'
/** The setting that gives it another. */
export const firstNameSetting = 'keyhsm.backend.name'

const prefix = 'keyhsm.backend.'
const ours = 'keyhsm.'
const grouped = /^keyhsm\.backend\.([A-Za-z0-9][A-Za-z0-9_-]{0,31})\.(.+)$/
/** First words of names that stand below `keyhsm.` where they belong to the first backend. */
const ourWords = ['hardware', 'hsm', 'key', 'partition', 'wrap']

/** @throws ERR_INVALID_INPUT */
export function parseBackendName(given: string, field: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/.test(given)) return given
  throw invalidInput(field, 'must be 1 to 32 letters, digits, - and _')
}

/** The name under which a setting of the first backend stands for the one at `place`. */
export function placeName(name: string, place: Place): string {
  if (place === undefined) return name
  const own = name.startsWith(ours) ? name.slice(ours.length) : name
  return `${prefix}${place}.${own}`
}

/** Whose line it is; undefined: the first backend's, or the service's. */
export function placeOf(name: string): Place {
  return grouped.exec(name)?.[1]
}

/** The inverse of {@link placeName}: the name as the first backend has it, undefined for a line of another place. */
function ownName(name: string, place: Place): string | undefined {
  const found = grouped.exec(name)
  if (found?.[1] !== place) return undefined
  const own = found?.[2]
  if (own === undefined) return name
  return ourWords.includes(own.split('.', 1)[0] ?? '') ? `${ours}${own}` : own
}

/** The schema of the first backend as it stands at another place. */
export function placeSchema<Schema extends SettingsSchema>(schema: Schema, place: Place): Schema {
  const placed = Object.entries(schema).map(([key, spec]) => {
    const { formerly, ...rest } = spec
    const older = formerly === undefined ? {} : { formerly: placeName(formerly, place) }
    return [key, { ...rest, ...older, name: placeName(spec.name, place) }]
  })
  // The same keys, parsers and traits: only names differ.
  return Object.fromEntries(placed) as Schema
}

/** Names of the backends beside the first, in the order of the file. @throws ERR_SETTINGS for a malformed escape. */
export function findPlaces(text: string, file: string): readonly string[] {
  const found = readSettingLines(text, file).flatMap(({ name }) => placeOf(name) ?? [])
  return [...new Set(found)]
}

/** What a file says of one backend, under the names of the first; lines keep their numbers. */
export function viewOf(text: string, place: Place): string {
  return viewSettings(text, (name) => ownName(name, place))
}

/**
 * The place of the backend with this name.
 * @throws ERR_SETTINGS for a further backend where there is no first.
 */
export function findPlace(text: string | undefined, name: string | undefined): Place {
  if (name === undefined) return undefined
  if (text === undefined) {
    throw new DomainError('ERR_SETTINGS', 'the first HSM is set up without --backend')
  }
  const lines = readSettingLines(text, 'application.properties')
  const first = lines.find((line) => line.name === firstNameSetting)?.text ?? firstName
  return name === first ? undefined : name
}
