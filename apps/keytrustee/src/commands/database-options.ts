/** The options that name an external database. */
import { type Input, type Option, optionText } from '@keyhsm/command-line'
import { invalidInput } from '@keyhsm/core'
import type { DatabaseSettings } from '../service/database.js'

export const urlOptions: readonly Option[] = [
  {
    flag: 'url',
    value: 'URL',
    describe: 'postgresql://user@host/database of an external database',
  },
  {
    flag: 'password-file',
    value: 'F',
    describe: 'file (0600) with its password, kept where it is',
  },
  { flag: 'ca-file', value: 'F', describe: 'PEM of the authority that signed its certificate' },
]

/** What they say, in the words of the settings. @throws ERR_INVALID_INPUT for a password in the URL */
export function databaseGiven(input: Input): DatabaseSettings {
  const url = optionText(input, 'url')
  return {
    databaseUrl: url === undefined ? undefined : refusePassword(url),
    databasePasswordFile: optionText(input, 'password-file'),
    databaseAuthorityFile: optionText(input, 'ca-file'),
  }
}

/** Arguments are visible in the process list and the settings to backups: a password belongs in a file of its own. */
function refusePassword(url: string): string {
  if (URL.canParse(url) && new URL(url).password !== '')
    throw invalidInput('--url', 'must not hold a password: use --password-file')
  return url
}
