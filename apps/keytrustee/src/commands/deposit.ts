/** `ktadmin deposit`: what is stored, never its content. */
import {
  type Command,
  type Io,
  optionGiven,
  optionText,
  printLine,
  printTable,
} from '@keyhsm/command-line'
import { invalidInput, parseHandle, parseShortName, parseUuid } from '@keyhsm/core'
import {
  listAllDepositsRoute,
  listRevocationsRoute,
  purgeAnyDepositRoute,
  type ReplyOf,
  undeleteAnyDepositRoute,
} from '@keyhsm/protocol'
import { confirmFinal } from './confirm-final.js'
import { asOption, callServer } from './control.js'

type Page = ReplyOf<typeof listAllDepositsRoute>
type Purged = ReplyOf<typeof purgeAnyDepositRoute>
type Revocation = ReplyOf<typeof listRevocationsRoute>['revocations'][number]

const refArgument = { name: 'ref', describe: 'uuid, or handle that one client has' }

export const depositCommands: readonly Command[] = [
  {
    name: 'deposit list',
    summary: 'list deposits of everybody, in the order of their handles',
    options: [
      {
        flag: 'org',
        value: 'NAME',
        describe: 'only of this organisation',
        check: (text) => parseShortName(text, '--org'),
      },
      {
        flag: 'client',
        value: 'UUID',
        describe: 'only of this client',
        check: (text) => parseUuid(text, '--client'),
      },
      {
        flag: 'after',
        value: 'HANDLE',
        describe: 'begin after this handle',
        check: (text) => parseHandle(text, '--after'),
      },
      {
        flag: 'limit',
        value: 'N',
        describe: 'at most about so many (default 1000)',
        check: parseLimit,
      },
      asOption,
    ],
    async run(input) {
      const organisation = optionText(input, 'org')
      const owner = optionText(input, 'client')
      const after = optionText(input, 'after')
      const query = {
        ...(organisation === undefined ? {} : { organisation }),
        ...(owner === undefined ? {} : { owner }),
        ...(after === undefined ? {} : { after }),
        limit: parseLimit(optionText(input, 'limit') ?? '1000'),
      }
      return callServer(input, listAllDepositsRoute, { query })
    },
    print({ deposits, next }: Page, io: Io) {
      const rows = deposits.map(({ contentBytes: bytes, updatedAt: updated, ...deposit }) => ({
        ...deposit,
        bytes,
        updated,
      }))
      const columns = [
        'handle',
        'state',
        'revision',
        'sealing',
        'bytes',
        'updated',
        'owner',
        'uuid',
      ]
      printTable(rows, columns, io)
      if (next !== undefined) io.hint(`there are more: --after ${next}`)
    },
  },
  {
    name: 'deposit undelete',
    summary: 'undo the removal of a deposit',
    arguments: [refArgument],
    options: [asOption],
    run: (input) =>
      callServer(input, undeleteAnyDepositRoute, { params: { ref: input.args['ref'] ?? '' } }),
    print: ({ handle, state }: Page['deposits'][number], io: Io) =>
      printLine(`${handle} is ${state}`, io),
  },
  {
    name: 'deposit purge',
    summary: 'make a deposit with all its revisions unreadable for ever',
    arguments: [refArgument],
    options: [
      { flag: 'yes', short: 'y', describe: 'do not ask' },
      {
        flag: 'leave-keys',
        describe: 'end it also where stored bytes do not show whose HSM key it is; the key stays',
      },
      asOption,
    ],
    async run(input, io): Promise<Purged> {
      const ref = input.args['ref'] ?? ''
      await confirmFinal(`Purge ${ref} for ever? [y/N] `, optionGiven(input, 'yes'), io)
      const body = optionGiven(input, 'leave-keys') ? { leaveKeys: true } : {}
      return callServer(input, purgeAnyDepositRoute, { params: { ref }, body })
    },
    print: printPurged,
  },
  {
    name: 'deposit purges',
    summary: 'list deposits that were purged, newest first',
    options: [
      { flag: 'limit', value: 'N', describe: 'at most so many (default 100)', check: parseLimit },
      {
        flag: 'after',
        value: 'UUID',
        describe: 'go on after this deposit',
        check: (text) => parseUuid(text, '--after'),
      },
      asOption,
    ],
    async run(input, io): Promise<Revocation[]> {
      const after = optionText(input, 'after')
      const limit = parseLimit(optionText(input, 'limit') ?? '100')
      const query = after === undefined ? { limit } : { limit, after }
      const { revocations, next } = await callServer(input, listRevocationsRoute, { query })
      if (next !== undefined) io.hint(`there may be more: --after ${next}`)
      return revocations
    },
    print(revocations: readonly Revocation[], io: Io) {
      const rows = revocations.map(({ hsmKeyIds, doneAt, ...row }) => ({
        ...row,
        ordered: row.orderedAt,
        by: row.orderedBy,
        done: doneAt ?? 'not yet',
        keys: hsmKeyIds.length,
        'in older backups': row.sharedRevisions > 0 ? 'still opens' : 'no',
      }))
      const columns = ['handle', 'deposit', 'ordered', 'by', 'done', 'keys', 'in older backups']
      printTable(rows, columns, io)
      const open = rows.filter(({ done }) => done === 'not yet').length
      if (open > 0)
        io.hint(
          `${open} not ended: the server tries again by itself; ktadmin deposit purge DEPOSIT does it now and says why not`,
        )
    },
  },
]

function printPurged(purged: Purged, io: Io): void {
  const { deposit, revokedKeys, sharedRevisions, refusedKeys = 0 } = purged
  const { handle, state } = deposit
  if (state === 'purged') printLine(`${handle} is purged, ${revokedKeys} HSM keys are revoked`, io)
  else if (refusedKeys > 0) printLine(`${handle} is unreadable, but not purged`, io)
  else printLine(`${handle} is unreadable; its HSM keys are revoked when the HSM answers`, io)
  if (refusedKeys > 0) sayRefused(purged, refusedKeys, io)
  if (sharedRevisions > 0)
    io.words('warning: copies of it in older backups of the database still open, see the hint')
  if (sharedRevisions > 0)
    io.hint('their HSM key serves other deposits too: ktadmin hsm-keys revoke ends all of them')
}

function sayRefused({ deposit: { state } }: Purged, refused: number, io: Io): void {
  io.words(
    `warning: ${refused} HSM keys stay: the stored bytes do not show that they are this deposit’s own`,
  )
  io.hint(
    state === 'purged'
      ? 'once nothing needs them they are orphans: ktadmin hsm-keys prune'
      : 'rows may have been exchanged; what to do: docs/operations/trustee-server.md',
  )
}

function parseLimit(text: string): number {
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > 1000)
    throw invalidInput('--limit', 'must be a whole number from 1 to 1000')
  return limit
}
