/** `ktadmin org`: organisations. */
import {
  type Command,
  findSecret,
  type Io,
  optionGiven,
  optionTexts,
  printFields,
  printTable,
} from '@keyhsm/command-line'
import { invalidInput, parseShortName } from '@keyhsm/core'
import {
  addOrganisationRoute,
  listOrganisationsRoute,
  type ReplyOf,
  setAuthRoute,
  setOrganisationStateRoute,
} from '@keyhsm/protocol'
import { asOption, callServer } from './control.js'

const nameArgument = {
  name: 'name',
  describe: 'name of the organisation',
  check: (text: string) => parseShortName(text, 'name'),
}

type Shown = ReplyOf<typeof listOrganisationsRoute>['organisations'][number]

/** An organisation with the secret that is shown this once. */
interface ShownOnce extends Shown {
  readonly authSecret?: string
}

export const orgCommands: readonly Command[] = [
  {
    name: 'org add',
    summary: 'add an organisation; its auth secret is shown this once',
    arguments: [nameArgument],
    options: [
      {
        flag: 'contact',
        short: 'c',
        value: 'MAIL',
        repeatable: true,
        describe: 'contact; may be given several times',
      },
      asOption,
    ],
    async run(input): Promise<ShownOnce> {
      const body = { name: input.args['name'] ?? '', contacts: [...optionTexts(input, 'contact')] }
      const { organisation, auth } = await callServer(input, addOrganisationRoute, { body })
      return { ...organisation, authSecret: auth }
    },
    print: printOnce,
  },
  {
    name: 'org list',
    summary: 'list organisations',
    options: [asOption],
    run: async (input) => (await callServer(input, listOrganisationsRoute)).organisations,
    print(organisations: readonly Shown[], io: Io) {
      printTable(organisations.map(toRow), ['name', 'state', 'enrolment', 'created', 'uuid'], io)
    },
  },
  {
    name: 'org set-auth',
    summary: 'replace the auth secret: by a made one, one from a file, or none',
    arguments: [nameArgument],
    options: [
      {
        flag: 'auth-file',
        value: 'F',
        file: true,
        secret: true,
        describe: 'file with the new secret, or -',
      },
      { flag: 'none', describe: 'no secret: clients wait for approval' },
      asOption,
    ],
    async run(input, io): Promise<ShownOnce> {
      const chosen = findSecret(input, io, { fileFlag: 'auth-file', prompt: 'Auth secret' })
      return setAuth(input, chosen)
    },
    print: printOnce,
  },
  stateCommand('disable', 'suspended', 'suspend an organisation with all its clients'),
  stateCommand('enable', 'active', 'lift the suspension of an organisation'),
]

async function setAuth(
  input: Parameters<Command['run']>[0],
  chosen: string | undefined,
): Promise<ShownOnce> {
  const none = optionGiven(input, 'none')
  if (none && chosen !== undefined) throw invalidInput('--none', 'cannot be combined with a secret')
  const auth = none ? '' : chosen
  const reply = await callServer(input, setAuthRoute, {
    params: { name: input.args['name'] ?? '' },
    body: auth === undefined ? {} : { auth },
  })
  return { ...reply.organisation, ...(reply.auth === undefined ? {} : { authSecret: reply.auth }) }
}

function stateCommand(word: string, state: 'active' | 'suspended', summary: string): Command {
  return {
    name: `org ${word}`,
    summary,
    arguments: [nameArgument],
    options: [asOption],
    async run(input) {
      const params = { name: input.args['name'] ?? '' }
      return (await callServer(input, setOrganisationStateRoute, { params, body: { state } }))
        .organisation
    },
    print: (organisation: Shown, io: Io) => printFields(toRow(organisation), io),
  }
}

function printOnce({ authSecret, ...organisation }: ShownOnce, io: Io): void {
  printFields({ ...toRow(organisation), 'auth secret': authSecret }, io)
  if (authSecret !== undefined) io.hint('the auth secret is not stored and not shown again')
}

function toRow({ name, state, hasAuthSecret, createdAt, uuid }: Shown): Record<string, string> {
  const enrolment = hasAuthSecret ? 'by auth secret' : 'by approval'
  return { name, state, enrolment, created: createdAt, uuid }
}
