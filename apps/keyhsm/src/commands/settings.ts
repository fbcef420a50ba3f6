import { basename } from 'node:path'
import { type Command, printLine, printable } from '@keyhsm/command-line'
import { type EffectiveSetting, listSettings } from '@keyhsm/service'
import { readSettingsText } from '../configuration.js'
import { wholeSchema } from '../settings-schema.js'
import { pathsIn } from '../paths.js'

/** Prints what holds, in the form of the old product: absent settings are left out, passwords are shown as they are stored. */
export const settingsCommand: Command = {
  name: 'settings',
  summary: 'display the current server configuration',
  async run({ home }, { json }): Promise<readonly EffectiveSetting[]> {
    const paths = pathsIn(home.keyhsm)
    const text = await readSettingsText(paths)
    const file = basename(paths.settings)
    const settings = listSettings(text, wholeSchema(text, file), file)
    return json ? settings.filter(({ secret }) => !secret) : settings
  },
  print(settings: readonly EffectiveSetting[], io) {
    printLine('# keyHsm Server Configuration information:', io)
    for (const { name, text, isDefault, comment } of settings) {
      if (text === undefined) continue
      if (comment !== undefined) printLine(`# ${comment}`, io)
      printLine(`${name} : ${printable(text)}${isDefault ? ' (default)' : ''}`, io)
    }
  },
}
