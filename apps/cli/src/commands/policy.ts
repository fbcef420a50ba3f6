/** `keytrustee policy`: when and by whom a deposit may be retrieved. */
import type { Deposit } from '@keyhsm/client'
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  policyOf,
  policyOptions,
  printFields,
} from '@keyhsm/command-line'
import { invalidInput, parseHandle } from '@keyhsm/core'
import { withTrustee } from '../with-trustee.js'

export const policyCommand: Command = {
  name: 'policy',
  summary: 'lay down when and by whom a deposit may be retrieved, in place of what was laid down',
  arguments: [
    {
      name: 'handle',
      describe: 'handle or uuid of the deposit',
      check: (text) => parseHandle(text),
    },
  ],
  options: [...policyOptions, { flag: 'none', describe: 'take back what was laid down' }],
  run: setPolicy,
  print: printPolicy,
}

async function setPolicy(input: Input): Promise<Deposit> {
  const wish = policyOf(input)
  const none = optionGiven(input, 'none')
  if ((wish !== undefined) === none) throw invalidInput('policy', 'needs options, or --none')
  return await withTrustee(
    input,
    () => {},
    ({ trustee }) => trustee.setPolicy(input.args['handle'] ?? '', wish ?? {}),
  )
}

function printPolicy({ handle, policy }: Deposit, io: Io): void {
  const { networks, clients, groups, ...rest } = policy ?? {}
  const lists = { networks, clients, groups }
  const shown = Object.fromEntries(
    Object.entries(lists).map(([name, list]) => [name, list?.join(' ')]),
  )
  printFields({ handle, policy: policy ? undefined : 'none', ...rest, ...shown }, io)
}
