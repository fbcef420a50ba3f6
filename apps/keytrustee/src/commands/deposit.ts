/** `ktadmin deposit`: what is stored, never its content. */
import { type Command, type Io, optionText, printTable } from '@keyhsm/command-line'
import { invalidInput, parseHandle, parseShortName, parseUuid } from '@keyhsm/core'
import { listAllDepositsRoute, type ReplyOf } from '@keyhsm/protocol'
import { asOption, callServer } from './control.js'

type Page = ReplyOf<typeof listAllDepositsRoute>

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
]

function parseLimit(text: string): number {
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > 1000)
    throw invalidInput('--limit', 'must be a whole number from 1 to 1000')
  return limit
}
