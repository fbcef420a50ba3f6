/** `keytrustee backup` and `keytrustee restore`: this client's keys, encrypted. */
import {
  type AgeKey,
  type AgeReaders,
  backUpClient,
  createPrivateFile,
  parseIdentityFile,
  parseRecipientsFile,
  restoreClient,
} from '@keyhsm/client'
import { type Command, type Input, optionTexts, type Option } from '@keyhsm/command-line'
import { DomainError, invalidInput } from '@keyhsm/core'

const passphraseOption: Option = {
  flag: 'passphrase-file',
  value: 'F',
  file: true,
  secret: true,
  describe: 'file with a passphrase, instead of recipients or an identity',
}

export const backupCommands: readonly Command[] = [
  {
    name: 'backup',
    summary: 'write this client’s keys into one encrypted file',
    arguments: [{ name: 'file', describe: 'new file (0600)' }],
    options: [
      { flag: 'recipient', value: 'AGE', repeatable: true, describe: 'age recipient' },
      { flag: 'recipients-file', value: 'F', file: true, describe: 'age recipients, one a line' },
      passphraseOption,
    ],
    async run(input) {
      const file = input.args['file'] ?? ''
      const sealed = await backUpClient(input.home.client, readReaders(input))
      if (!(await createPrivateFile(file, sealed)))
        throw new DomainError('ERR_ALREADY_EXISTS', 'the file exists already: nothing was changed')
      return { file, bytes: sealed.length }
    },
  },
  {
    name: 'restore',
    summary: 'become the client of a backup; this home must have none',
    arguments: [{ name: 'file', describe: 'backup', file: true, maxBytes: 32 * 1024 * 1024 }],
    options: [
      {
        flag: 'identity',
        value: 'F',
        file: true,
        secret: true,
        describe: 'file with the age identity that opens it',
      },
      passphraseOption,
    ],
    async run(input) {
      const sealed = input.files['file'] ?? Buffer.alloc(0)
      return {
        restored: (await restoreClient(input.home.client, sealed, readKey(input))).join(' '),
      }
    },
  },
]

function readReaders(input: Input): AgeReaders {
  const passphrase = findPassphrase(input)
  const file = input.files['recipients-file']
  const listed = file === undefined ? [] : parseRecipientsFile(file.toString('utf8'))
  const recipients = [...optionTexts(input, 'recipient'), ...listed]
  if ((passphrase === undefined) === (recipients.length === 0))
    throw invalidInput('--recipient', 'or --passphrase-file must be given, not both')
  return passphrase === undefined ? { recipients } : { passphrase }
}

function readKey(input: Input): AgeKey {
  const passphrase = findPassphrase(input)
  const file = input.files['identity']
  if ((passphrase === undefined) === (file === undefined))
    throw invalidInput('--identity', 'or --passphrase-file must be given, not both')
  if (file) return { identity: parseIdentityFile(file.toString('utf8')) }
  return { passphrase: passphrase ?? '' }
}

function findPassphrase(input: Input): string | undefined {
  const text = input.files['passphrase-file']?.toString('utf8').replace(/\r?\n$/, '')
  if (text === undefined || text.length >= 12) return text
  throw invalidInput('--passphrase-file', 'must hold at least 12 characters')
}
