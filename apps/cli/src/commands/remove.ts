/** `keytrustee remove`: takes a deposit out of reach; for a while that can be undone. */
import type { Deposit } from '@keyhsm/client'
import { type Command, printable, printLine } from '@keyhsm/command-line'
import { parseHandle } from '@keyhsm/core'
import { withTrustee } from '../with-trustee.js'

export const removeCommand: Command = {
  name: 'remove',
  summary: 'remove a deposit',
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
      ({ trustee }) => trustee.remove(input.args['handle'] ?? ''),
    ),
  print: ({ handle, undeleteUntil }: Deposit, io) => {
    const until =
      undeleteUntil === undefined ? 'this cannot be undone' : `can be undone until ${undeleteUntil}`
    printLine(printable(`${handle} is removed, ${until}`), io)
  },
}
