import { basename } from 'node:path'
import { type Command, printLine, printable } from '@keyhsm/command-line'
import { type EffectiveSetting, listSettings } from '@keyhsm/service'
import { readHardware, readSettingsText, schemaFor } from '../configuration.js'
import { pathsIn } from '../paths.js'

/** Prints what holds, in the form of the old product: absent settings are left out, secrets are never shown. */
export const settingsCommand: Command = {
  name: 'settings',
  summary: 'display the current server configuration',
  async run({ home }) {
    const paths = pathsIn(home.keyhsm)
    const text = await readSettingsText(paths)
    const file = basename(paths.settings)
    return listSettings(text, schemaFor(readHardware(text, file)), file)
  },
  print(settings: readonly EffectiveSetting[], io) {
    printLine('# keyHsm Server Configuration information:', io)
    for (const { name, text, isDefault } of settings) {
      if (text === undefined) continue
      printLine(`${name} : ${printable(text)}${isDefault ? ' (default)' : ''}`, io)
    }
  },
}
