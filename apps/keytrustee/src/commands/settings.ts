/** `ktadmin settings`: what holds, with defaults. */
import { type Command, type Io, printTable } from '@keyhsm/command-line'
import { type EffectiveSetting, listSettings } from '@keyhsm/service'
import { readText } from '../files.js'
import { pathsIn } from '../paths.js'
import { readSettings, settingsFileName, trusteeSchema } from '../settings.js'

export const settingsCommand: Command = {
  name: 'settings',
  summary: 'check the settings file and print what holds',
  async run(input) {
    const paths = pathsIn(input.home.keytrustee)
    await readSettings(paths)
    return listSettings(await readText(paths.settings), trusteeSchema, settingsFileName)
  },
  print(settings: readonly EffectiveSetting[], io: Io) {
    const rows = settings.map(({ name, text, isDefault }) => ({
      name,
      value: text === '' ? undefined : text,
      from: isDefault ? 'default' : 'file',
    }))
    printTable(rows, ['name', 'value', 'from'], io)
  },
}
