/** `keytrustee undelete`: brings a removed deposit back. */
import type { Deposit } from '@keyhsm/client'
import { type Command, printable, printLine } from '@keyhsm/command-line'
import { parseHandle } from '@keyhsm/core'
import { withTrustee } from '../with-trustee.js'

export const undeleteCommand: Command = {
  name: 'undelete',
  summary: 'undo the removal of a deposit',
  arguments: [
    {
      name: 'handle',
      describe: 'handle or uuid of the deposit',
      check: (text) => parseHandle(text),
    },
  ],
  run: (input) =>
    withTrustee(
      input,
      () => {},
      ({ trustee }) => trustee.undelete(input.args['handle'] ?? ''),
    ),
  print: ({ handle, state }: Deposit, io) => printLine(printable(`${handle} is ${state}`), io),
}
