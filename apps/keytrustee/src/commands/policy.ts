/** `ktadmin policy`: what is laid down about retrievals, and what follows from it. */
import {
  type Command,
  type Io,
  optionGiven,
  optionText,
  policyOf,
  policyOptions,
  printFields,
  printLine,
  printTable,
  requiredText,
} from '@keyhsm/command-line'
import { invalidInput, parseUuid } from '@keyhsm/core'
import { explainPolicyRoute, type ReplyOf, setAnyPolicyRoute } from '@keyhsm/protocol'
import { findClientUuid } from './client.js'
import { asOption, callServer } from './control.js'

type Explained = ReplyOf<typeof explainPolicyRoute>
type Shown = ReplyOf<typeof setAnyPolicyRoute>

const depositArgument = { name: 'deposit', describe: 'uuid, or handle that one client has' }

export const policyCommands: readonly Command[] = [
  {
    name: 'policy set',
    summary: 'lay down when and by whom a deposit may be retrieved',
    arguments: [depositArgument],
    options: [
      ...policyOptions,
      { flag: 'none', describe: 'take back what was laid down' },
      asOption,
    ],
    async run(input): Promise<Shown> {
      const wish = policyOf(input)
      if ((wish !== undefined) === optionGiven(input, 'none'))
        throw invalidInput('policy', 'needs options, or --none')
      const params = { ref: input.args['deposit'] ?? '' }
      return callServer(input, setAnyPolicyRoute, { params, body: wish ?? {} })
    },
    print({ handle, policy }: Shown, io: Io) {
      printFields({ handle, policy: policy === undefined ? 'none' : JSON.stringify(policy) }, io)
    },
  },
  {
    name: 'policy explain',
    summary: 'say what would be decided about a retrieval, rule by rule; changes nothing',
    arguments: [depositArgument],
    options: [
      { flag: 'client', value: 'C', required: true, describe: 'uuid or name of who would ask' },
      { flag: 'at', value: 'TIME', describe: 'when, in ISO 8601 (default now)' },
      { flag: 'from', value: 'ADDRESS', describe: 'from which IP address (default 127.0.0.1)' },
      asOption,
    ],
    async run(input): Promise<Explained> {
      const [at, from] = [optionText(input, 'at'), optionText(input, 'from')]
      const query = {
        client: await clientOf(input),
        ...(at === undefined ? {} : { at }),
        ...(from === undefined ? {} : { from }),
      }
      const params = { ref: input.args['deposit'] ?? '' }
      return callServer(input, explainPolicyRoute, { params, query })
    },
    print: printExplained,
    exitCode: ({ allowed }: Explained) => (allowed ? 0 : 1),
  },
]

async function clientOf(input: Parameters<Command['run']>[0]): Promise<string> {
  const ref = requiredText(input, 'client')
  return ref.length === 36 ? parseUuid(ref, '--client') : findClientUuid(input, ref)
}

function printExplained(explained: Explained, io: Io): void {
  const { allowed, reason, used, maxRetrievals } = explained
  printLine(allowed ? 'would be allowed' : `would be refused: ${reason ?? ''}`, io)
  if (maxRetrievals !== undefined) printLine(`retrievals: ${used} of ${maxRetrievals}`, io)
  const rows = explained.rules.map(({ rule, holds }) => ({ rule, holds: holds ? 'yes' : 'NO' }))
  printTable(rows, ['holds', 'rule'], io)
}
