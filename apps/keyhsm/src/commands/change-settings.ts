/** A change of the settings file by a command: checked before it is written, taken back when the service refuses it. */
import { basename } from 'node:path'
import { type SecretBytes, withSecret } from '@keyhsm/core'
import { reloadRoute } from '@keyhsm/protocol'
import { writeFileAtomically } from '@keyhsm/service'
import {
  parseConfiguration,
  readOwnSettingsKey,
  readSettingsText,
  withoutPins,
} from '../configuration.js'
import type { Paths } from '../paths.js'
import { isRunning, withService } from './with-service.js'

/** `key` opens and seals the passwords in the text. */
export type Edit = (text: string, key: SecretBytes) => string

/**
 * @returns whether a running service has taken it over; false when none runs.
 * @throws ERR_SETTINGS, and what a reload throws; then the file is as it was.
 */
export async function changeSettings(paths: Paths, edit: Edit): Promise<boolean> {
  const before = await readSettingsText(paths)
  const key = await readOwnSettingsKey(paths)
  const text = await withSecret(key, () => {
    const edited = edit(before, key)
    withoutPins(parseConfiguration(edited, basename(paths.settings), key))
    return edited
  })
  await writeFileAtomically(paths.settings, text, 0o600)
  if (!isRunning(paths)) return false
  try {
    await withService(paths, (service) => service.call(reloadRoute, {}))
    return true
  } catch (error) {
    await writeFileAtomically(paths.settings, before, 0o600)
    throw error
  }
}
