/** `keytrustee purge`: makes a deposit unreadable for ever. */
import type { Purged } from '@keyhsm/client'
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  printable,
  printLine,
} from '@keyhsm/command-line'
import { DomainError, invalidInput, parseHandle } from '@keyhsm/core'
import { withTrustee } from '../with-trustee.js'

export const purgeCommand: Command = {
  name: 'purge',
  summary: 'make a deposit, with all its revisions, unreadable for ever',
  arguments: [
    {
      name: 'handle',
      describe: 'handle or uuid of the deposit',
      check: (text) => parseHandle(text),
    },
  ],
  options: [{ flag: 'yes', short: 'y', describe: 'do not ask' }],
  run: purge,
  print: printPurged,
}

async function purge(input: Input, io: Io): Promise<Purged> {
  const ref = input.args['handle'] ?? ''
  const prepare = () => confirm(ref, optionGiven(input, 'yes'), io)
  return await withTrustee(input, prepare, ({ trustee }) => trustee.purge(ref))
}

/** @throws ERR_INVALID_INPUT where nobody can be asked; ERR_NOT_ALLOWED after a no. */
async function confirm(ref: string, yes: boolean, io: Io): Promise<void> {
  if (yes) return
  if (!io.isTerminal) throw invalidInput('--yes', 'is needed where nobody can be asked')
  const answer = await io.ask(`Purge ${ref} with all its revisions for ever? [y/N] `)
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new DomainError('ERR_NOT_ALLOWED', 'nothing was changed')
}

function printPurged({ deposit, sharedRevisions, refusedKeys = 0 }: Purged, io: Io): void {
  const { handle, state } = deposit
  const waits =
    refusedKeys > 0
      ? 'an administrator of the server has to end its purge'
      : 'its HSM keys are revoked when the HSM answers'
  printLine(
    printable(state === 'purged' ? `${handle} is purged` : `${handle} is unreadable; ${waits}`),
    io,
  )
  if (sharedRevisions > 0)
    io.words('warning: copies in older backups of the server’s database still open')
}
