/**
 * The settings file that a setup writes: the old text with what the answers say, its comments and order kept; other devices'
 * lines and what cannot be read taken out, each named.
 */
import { editSettings, isSealed, readSettingLines } from '@keyhsm/service'
import { type Place, placeName, viewOf } from '../backend-names.js'
import { schemaFor } from '../settings-schema.js'
import {
  commonSchema,
  type Hardware,
  hardwareNames,
  secretSettings,
  vendorPrefix,
} from '../settings.js'

const newFile = `# Settings of Key HSM. Lines may be changed by hand, but for passwords, which only setup writes.
# What holds: keyhsm settings
`
const file = 'application.properties'

/** Values by name of the setting; undefined leaves a line as it is. */
export type Changes = Readonly<Record<string, string | undefined>>

/** A line of the old file that a setup cannot take over. */
export interface UnreadLine {
  readonly line: number
  readonly name: string
  readonly why: string
}

/** Whose lines are written. */
export interface Written {
  readonly hardware: Hardware
  readonly place: Place
}

/**
 * @param old the present text, undefined when there is none.
 * @param changes by their names as the first backend has them, whatever the place.
 */
export function toSettingsText(
  old: string | undefined,
  { hardware, place }: Written,
  changes: Changes,
): string {
  const text = old ?? newFile
  const own = viewOf(text, place)
  const gone = [...findForeign(own, hardware), ...findUnread(own, hardware).map((l) => l.name)]
  const first = old === undefined ? visibleDefaults() : {}
  const given = Object.entries({ ...first, [commonSchema.hardware.name]: hardware, ...changes })
  const wanted = Object.fromEntries(given.filter(([, value]) => value !== undefined))
  const placed = (entries: readonly (readonly [string, string | undefined])[]) =>
    Object.fromEntries(entries.map(([name, value]) => [placeName(name, place), value]))
  const edited = editSettings(text, {
    ...placed(gone.map((name) => [name, undefined])),
    ...placed(inOrder(wanted, hardware)),
  })
  return place === undefined ? withComment(edited, hardware) : edited
}

/**
 * Lines of a file of the old product, or of a typing mistake, that mean nothing here: names that no device has, and
 * passwords that another program encrypted. The text, as that of all below, is the view of one backend.
 */
export function findUnread(text: string, hardware: Hardware): readonly UnreadLine[] {
  const known = new Set(hardwareNames.flatMap(allNames))
  const isKnown = (name: string) =>
    known.has(name) || [...known].some((one) => one.endsWith('.') && name.startsWith(one))
  const { name: secret, formerly } = secretSettings[hardware]
  return readSettingLines(text, file).flatMap(({ name, text: value, line }) => {
    if (!isKnown(name)) return [{ line, name, why: 'is no setting of Key HSM' }]
    const isSecret = name === secret || name === formerly
    if (!isSecret || isSealed(value)) return []
    return [{ line, name, why: 'holds a password that only the program that wrote it can read' }]
  })
}

/** Whether the file has a password that we can open. */
export function hasPassword(text: string | undefined, hardware: Hardware): boolean {
  const { name: secret, formerly } = secretSettings[hardware]
  const lines = text === undefined ? [] : readSettingLines(text, file)
  return lines.some(({ name, text: value }) => [secret, formerly].includes(name) && isSealed(value))
}

/** What a file without these lines means too; written once, as the old product did, so that it is there to be changed. */
function visibleDefaults(): Changes {
  const { address, port, managementPort, servicePort } = commonSchema
  const shown = [address, port, managementPort, servicePort]
  return Object.fromEntries(shown.map((spec) => [spec.name, spec.default]))
}

function inOrder(changes: Changes, hardware: Hardware) {
  const names = Object.values(schemaFor(hardware)).map(({ name }) => name)
  const place = (name: string) => (names.includes(name) ? names.indexOf(name) : names.length)
  return Object.entries(changes).sort(([a], [b]) => place(a) - place(b))
}

/** A password's comment goes above it, as in the old product's file. */
function withComment(text: string, hardware: Hardware): string {
  const { name, comment } = secretSettings[hardware]
  return text.includes(`# ${comment}\n`)
    ? text
    : text.replace(new RegExp(`^(?=${name.replaceAll('.', '\\.')}=)`, 'm'), `# ${comment}\n`)
}

function allNames(hardware: Hardware): string[] {
  return Object.values(schemaFor(hardware)).flatMap(({ name, formerly }) => [
    name,
    ...(formerly === undefined ? [] : [formerly]),
  ])
}

/** Lines of other vendors' settings: a file is for one device. */
function findForeign(text: string, hardware: Hardware): string[] {
  const foreign = Object.values(vendorPrefix).filter((prefix) => prefix !== vendorPrefix[hardware])
  return readSettingLines(text, file)
    .map(({ name }) => name)
    .filter((name) => foreign.some((prefix) => name.startsWith(`${prefix}.`)))
}
