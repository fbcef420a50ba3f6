/** Options that import and export share. */
import type { Input, Option } from '@keyhsm/command-line'

/** What Hadoop takes where no password is set. */
const defaultPassword = 'none'

export const passwordOption: Option = {
  flag: 'password-file',
  value: 'F',
  file: true,
  secret: true,
  describe: 'password of the keystore; Hadoop’s own default is the word none',
}

export const keysOption: Option = {
  flag: 'key',
  value: 'K',
  repeatable: true,
  describe: 'only this key; can be given several times',
}

/** As Hadoop reads such a file: without blanks around it. */
export function keystorePassword(input: Input): string {
  return input.files['password-file']?.toString('utf8').trim() ?? defaultPassword
}

/** Undefined: all. */
export function chosenKeys(input: Input): readonly string[] | undefined {
  return input.options['key'] as readonly string[] | undefined
}
