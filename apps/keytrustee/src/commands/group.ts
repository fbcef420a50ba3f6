/** `ktadmin group`: clients of an organisation under one name, for policies. */
import { type Command, type Io, optionTexts, printFields, printTable } from '@keyhsm/command-line'
import { parseShortName } from '@keyhsm/core'
import { deleteGroupRoute, listGroupsRoute, type ReplyOf, saveGroupRoute } from '@keyhsm/protocol'
import { asOption, callServer } from './control.js'

type Shown = ReplyOf<typeof saveGroupRoute>

const organisationArgument = {
  name: 'organisation',
  describe: 'name of the organisation',
  check: (text: string) => parseShortName(text, 'organisation'),
}
const nameArgument = {
  name: 'group',
  describe: 'name of the group',
  check: (text: string) => parseShortName(text, 'group'),
}

export const groupCommands: readonly Command[] = [
  {
    name: 'group list',
    summary: 'list the groups of an organisation',
    arguments: [organisationArgument],
    options: [asOption],
    async run(input) {
      const params = { organisation: input.args['organisation'] ?? '' }
      return (await callServer(input, listGroupsRoute, { params })).groups
    },
    print: (groups: readonly Shown[], io: Io) =>
      printTable(groups.map(toRow), ['name', 'members', 'uuid'], io),
  },
  {
    name: 'group set',
    summary:
      'make a group, or add and remove members; what was sealed before is not sealed for new ones',
    arguments: [organisationArgument, nameArgument],
    options: [
      { flag: 'add', value: 'CLIENT', repeatable: true, describe: 'name or uuid of a client' },
      { flag: 'remove', value: 'CLIENT', repeatable: true, describe: 'name or uuid of a client' },
      asOption,
    ],
    run: (input) =>
      callServer(input, saveGroupRoute, {
        params: paramsOf(input),
        body: { add: [...optionTexts(input, 'add')], remove: [...optionTexts(input, 'remove')] },
      }),
    print: printGroup,
  },
  {
    name: 'group delete',
    summary: 'delete a group; policies that name it no longer let its members in',
    arguments: [organisationArgument, nameArgument],
    options: [asOption],
    run: (input) => callServer(input, deleteGroupRoute, { params: paramsOf(input) }),
    print: printGroup,
  },
]

function paramsOf(input: Parameters<Command['run']>[0]) {
  return { organisation: input.args['organisation'] ?? '', name: input.args['group'] ?? '' }
}

function printGroup(group: Shown, io: Io): void {
  printFields(toRow(group), io)
}

function toRow({ name, uuid, members }: Shown): Record<string, string> {
  return { name, members: members.map(({ name: member }) => member).join(' ') || '-', uuid }
}
