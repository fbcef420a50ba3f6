/** A new password of the keystore: given by file or environment, or asked for twice where the settings file wants one. */
import { findSecret, type Input, type Io } from '@keyhsm/command-line'
import { invalidInput } from '@keyhsm/core'
import { readSettingLines } from '@keyhsm/service'
import { checkPassword, passwordVariable } from '../keystore-password.js'
import { commonSchema } from '../settings.js'
import { tryAgain } from './run-dialogue.js'

const source = {
  fileFlag: 'keystore-password-file',
  env: passwordVariable,
  prompt: 'keystore password',
} as const

/** @returns undefined when the password stays. @throws ERR_INVALID_INPUT when one is wanted and nobody can be asked. */
export async function readKeystorePassword(
  input: Input,
  io: Io,
  { settings, person }: { readonly settings: string | undefined; readonly person: boolean },
): Promise<string | undefined> {
  const given = findSecret(input, io, source)
  if (given !== undefined) {
    checkPassword(given)
    return given
  }
  if (!isWanted(settings)) return undefined
  if (!person) {
    const rule = `is needed, as ${commonSchema.passwordSet.name}=yes: give a file, "-" or ${source.env}`
    throw invalidInput(`--${source.fileFlag}`, rule)
  }
  return await tryAgain(io, async () => {
    const password = await io.askSecret(
      'Please enter the new keystore password (input suppressed):',
    )
    checkPassword(password)
    const again = await io.askSecret('Please enter it again (input suppressed):')
    if (again !== password) throw invalidInput('password', 'was not the same both times')
    return password
  })
}

function isWanted(settings: string | undefined): boolean {
  const { name } = commonSchema.passwordSet
  const lines = settings === undefined ? [] : readSettingLines(settings, 'application.properties')
  return lines.some((line) => line.name === name && line.text.toLowerCase() === 'yes')
}
