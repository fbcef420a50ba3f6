import { settingsCommand } from '@keyhsm/command-line'
import { listSettings } from '@keyhsm/service'
import { readText } from '../files.js'
import { pathsIn } from '../paths.js'
import { readSettings, settingsFileName, trusteeSchema } from '../settings.js'

/** `ktadmin settings` */
export const settings = settingsCommand(settingsFileName, async ({ home }) => {
  const paths = pathsIn(home.keytrustee)
  await readSettings(paths)
  return listSettings(await readText(paths.settings), trusteeSchema, settingsFileName)
})
