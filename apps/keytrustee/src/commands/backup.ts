/** `ktadmin backup`, `ktadmin backup-identity`, `ktadmin hsm-backup-done`. */
import {
  createPrivateFile,
  findRecipient,
  makeAgeIdentity,
  parseRecipientsFile,
} from '@keyhsm/client'
import { type Command, type Io, optionText, optionTexts, printFields } from '@keyhsm/command-line'
import { DomainError, invalidInput, newUuid } from '@keyhsm/core'
import { hsmBackupRoute, type ReplyOf } from '@keyhsm/protocol'
import { interruptible } from '../backup/interruptible.js'
import { type MadeBackup, makeBackup } from '../backup/make-backup.js'
import { pathsIn } from '../paths.js'
import { countOption, findKey, identityOption, parseCount, progressTo } from './backup-options.js'
import { asOption, callServer } from './control.js'

export const backupCommands: readonly Command[] = [
  {
    name: 'backup',
    summary: 'write database and configuration into one file that only its recipients can read',
    options: [
      {
        flag: 'recipient',
        value: 'AGE',
        repeatable: true,
        describe: 'age recipient; default: keytrustee.backup.recipients of the settings',
      },
      {
        flag: 'recipients-file',
        value: 'F',
        file: true,
        describe: 'file with age recipients, one a line',
      },
      { flag: 'to', value: 'DIR', describe: 'folder; default: keytrustee.backup.directory' },
      {
        flag: 'roll',
        value: 'N',
        describe: 'keep the newest N backups of the folder, remove older ones',
        check: parseCount('roll'),
      },
      identityOption(
        'decrypt what was written and compare all of it (file with the identity)',
        false,
      ),
      asOption,
    ],
    run: (input, io) => {
      const key = findKey(input)
      const file = input.files['recipients-file']
      const listed = file === undefined ? [] : parseRecipientsFile(file.toString('utf8'))
      const say = progressTo(io)
      return interruptible((signal) =>
        makeBackup({
          paths: pathsIn(input.home.keytrustee),
          as: optionText(input, 'as'),
          recipients: [...optionTexts(input, 'recipient'), ...listed],
          directory: optionText(input, 'to'),
          roll: countOption(input, 'roll'),
          key,
          signal,
          onRows: (rows, estimated) => say(`${rows} of about ${estimated} rows`),
        }),
      )
    },
    print: printBackup,
  },
  {
    name: 'backup-identity',
    summary: 'make the pair that backups are encrypted to; keep the identity on another machine',
    arguments: [{ name: 'file', describe: 'new file (0600) for the identity' }],
    // Runs as whoever keeps the identity: the service has no business with it.
    dropTo: false,
    async run(input) {
      const file = input.args['file'] ?? ''
      const identity = await makeAgeIdentity()
      const recipient = (await findRecipient(identity)) ?? ''
      if (!(await createPrivateFile(file, `# recipient: ${recipient}\n${identity}\n`)))
        throw new DomainError('ERR_ALREADY_EXISTS', 'the file exists already: nothing was changed')
      return { file, recipient }
    },
    print({ recipient }: { readonly recipient: string }, io: Io) {
      io.stdout.write(`${recipient}\n`)
      io.hint('whoever has the identity reads every backup, without it none can be read')
    },
  },
  {
    name: 'hsm-backup-done',
    summary: 'note that the HSM was backed up; status shows what was sealed since',
    options: [
      {
        flag: 'at',
        value: 'TIME',
        describe: 'when that backup began, ISO 8601 with zone; default: now',
        check: parseInstant,
      },
      asOption,
    ],
    run(input) {
      const at = optionText(input, 'at')
      const instant = at === undefined ? new Date() : parseInstant(at)
      return callServer(input, hsmBackupRoute, {
        body: { requestId: newUuid(), at: instant.toISOString() },
      })
    },
    print: ({ at, newerRevisions }: ReplyOf<typeof hsmBackupRoute>, io: Io) =>
      printFields({ 'hsm backup of': at, 'revisions sealed since': newerRevisions }, io),
  },
]

function parseInstant(text: string): Date {
  const instant = new Date(text)
  if (/^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(instant.getTime()))
    return instant
  throw invalidInput('--at', 'must be an instant such as 2026-11-22T10:15:00Z')
}

function printBackup(made: MadeBackup, io: Io): void {
  const { file, bytes, sha256, verified, totals, removed } = made
  printFields(
    {
      backup: file,
      bytes,
      'SHA-256': sha256,
      verified:
        verified === 'content'
          ? 'decrypted and compared'
          : 'read again; with --identity the content too',
      rows: totals.tables.reduce((sum, { rows }) => sum + rows, 0),
      files: totals.files,
    },
    io,
  )
  for (const { organisation, scope, revisions, hsmKeys } of totals.scopes)
    io.words(`${organisation}: ${revisions} revisions of scope ${scope}, ${hsmKeys} HSM keys`)
  for (const name of removed) io.words(`removed ${name}`)
  io.hint('keep it on another host, and the SHA-256 apart from it; prove it: ktadmin drill FILE')
}
