/** The settings file that a set-up writes: the old text with what the flags say, other vendors' lines taken out. */
import { editSettings, readSettingLines } from '@keyhsm/service'
import { commonSchema, type Hardware, vendorPrefix } from '../settings.js'

const newFile = `# Settings of Key HSM. Lines may be changed by hand, but for passwords, which only setup writes.
# What holds: keyhsm settings
`

/** Values by name of the setting; undefined leaves a line as it is. */
export type Changes = Readonly<Record<string, string | undefined>>

/** @param old the present text, undefined when there is none. */
export function toSettingsText(
  old: string | undefined,
  hardware: Hardware,
  changes: Changes,
): string {
  const text = old ?? newFile
  const given = Object.entries(changes).filter(([, value]) => value !== undefined)
  return editSettings(text, {
    ...findForeign(text, hardware),
    [commonSchema.hardware.name]: hardware,
    ...Object.fromEntries(given),
  })
}

/** Lines of other vendors' settings: a file is for one device. */
function findForeign(text: string, hardware: Hardware): Record<string, undefined> {
  const foreign = Object.values(vendorPrefix).filter((prefix) => prefix !== vendorPrefix[hardware])
  const names = readSettingLines(text, 'application.properties')
    .map(({ name }) => name)
    .filter((name) => foreign.some((prefix) => name.startsWith(`${prefix}.`)))
  return Object.fromEntries(names.map((name) => [name, undefined]))
}
