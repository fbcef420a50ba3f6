import { settingsCommand } from '@keyhsm/command-line'
import { listSettings } from '@keyhsm/service'
import { kmsSchema, readSettings, readSettingsText, settingsFileName } from '../settings.js'
import { pathsOf } from './folder.js'

/** `keytrustee-kms settings` */
export const settings = settingsCommand(settingsFileName, async (input) => {
  const paths = pathsOf(input)
  await readSettings(paths)
  return listSettings(await readSettingsText(paths), kmsSchema, settingsFileName)
})
