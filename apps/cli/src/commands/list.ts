/** `keytrustee list`: the deposits of this client. */
import type { Deposit } from '@keyhsm/client'
import { type Command, printTable } from '@keyhsm/command-line'
import { withTrustee } from '../with-trustee.js'

const columns = ['handle', 'uuid', 'revision', 'bytes', 'state', 'sealing', 'updated']

export const listCommand: Command = {
  name: 'list',
  summary: 'list the deposits of this client',
  run: (input) =>
    withTrustee(
      input,
      () => {},
      async ({ trustee }) => {
        const deposits: Deposit[] = []
        for await (const deposit of trustee.list()) deposits.push(deposit)
        return deposits
      },
    ),
  print: (deposits: Deposit[], io) => printTable(deposits.map(toRow), columns, io),
}

function toRow(deposit: Deposit): Record<string, unknown> {
  return { ...deposit, bytes: deposit.contentBytes, updated: deposit.updatedAt }
}
