/** `keytrustee-kms settings`: the settings that hold, defaults marked. */
import { type Command, printTable } from '@keyhsm/command-line'
import { type EffectiveSetting, listSettings } from '@keyhsm/service'
import { kmsSchema, readSettingsText, settingsFileName } from '../settings.js'
import { pathsOf } from './folder.js'

export const settingsCommand: Command = {
  name: 'settings',
  summary: 'print the settings that hold',
  run: async (input) =>
    listSettings(await readSettingsText(pathsOf(input)), kmsSchema, settingsFileName),
  print(settings: readonly EffectiveSetting[], io) {
    const rows = settings.map(({ name, text, isDefault }) => ({
      setting: name,
      value: text,
      from: isDefault ? 'default' : settingsFileName,
    }))
    printTable(rows, ['setting', 'value', 'from'], io)
  },
}
