/** `ktadmin org`: organisations. */
import {
  type Command,
  findSecret,
  type Input,
  type Io,
  optionGiven,
  optionText,
  optionTexts,
  printFields,
  printTable,
} from '@keyhsm/command-line'
import { invalidInput, parseDuration, parseShortName } from '@keyhsm/core'
import {
  addOrganisationRoute,
  deleteOrganisationRoute,
  listOrganisationsRoute,
  renameOrganisationRoute,
  type ReplyOf,
  setAuthRoute,
  setOrganisationStateRoute,
} from '@keyhsm/protocol'
import { confirmFinal } from './confirm-final.js'
import { asOption, callServer, listWhole } from './control.js'
import { type ShownOrganisation, toOrganisationRow } from './organisation-row.js'
import { recoveryCommand } from './recovery.js'

const nameArgument = {
  name: 'name',
  describe: 'name of the organisation',
  check: (text: string) => parseShortName(text, 'name'),
}

/** An organisation with the secret that is shown this once. */
interface ShownOnce extends ShownOrganisation {
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
      const body = { name: nameOf(input), contacts: [...optionTexts(input, 'contact')] }
      const { organisation, auth } = await callServer(input, addOrganisationRoute, { body })
      return { ...organisation, authSecret: auth }
    },
    print: printOnce,
  },
  {
    name: 'org list',
    summary: 'list organisations, and how their clients enrol',
    options: [asOption],
    run: (input) => listOrganisations(input),
    print(organisations: readonly ShownOrganisation[], io: Io) {
      const columns = ['name', 'state', 'enrolment', 'recovery', 'created', 'uuid']
      printTable(organisations.map(toOrganisationRow), columns, io)
    },
  },
  {
    name: 'org set-auth',
    summary: 'replace the auth secret and its limits: by a made one, one from a file, or none',
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
      { flag: 'open', describe: 'no secret and no approval: every client that asks is active' },
      {
        flag: 'expires',
        value: 'TIME',
        describe: 'how long clients enrol so, e.g. 7d; later by approval only',
        check: (text) => parseDuration(text, '--expires'),
      },
      {
        flag: 'uses',
        value: 'N',
        describe: 'how many clients enrol so; the others by approval only',
        check: parseUses,
      },
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
  {
    name: 'org rename',
    summary: 'give an organisation another name; its clients and deposits notice nothing',
    arguments: [
      nameArgument,
      {
        name: 'new-name',
        describe: 'its new name',
        check: (text) => parseShortName(text, 'new-name'),
      },
    ],
    options: [asOption],
    run: async (input) =>
      (
        await callServer(input, renameOrganisationRoute, {
          params: { name: nameOf(input) },
          body: { newName: input.args['new-name'] ?? '' },
        })
      ).organisation,
    print: printOrganisation,
  },
  recoveryCommand,
  {
    name: 'org delete',
    summary: 'delete an organisation that has no deposits and no clients but disabled ones',
    arguments: [nameArgument],
    options: [{ flag: 'yes', short: 'y', describe: 'do not ask' }, asOption],
    async run(input, io) {
      const name = nameOf(input)
      await confirmFinal(`Delete organisation ${name}? [y/N] `, optionGiven(input, 'yes'), io)
      return (await callServer(input, deleteOrganisationRoute, { params: { name } })).organisation
    },
    print: (organisation: ShownOrganisation, io: Io) =>
      printFields({ deleted: organisation.name, uuid: organisation.uuid }, io),
  },
]

/** Every organisation, asked for page by page. */
export function listOrganisations(input: Input): Promise<readonly ShownOrganisation[]> {
  return listWhole(async (after: string | undefined) => {
    const query = after === undefined ? {} : { after }
    const { organisations, next } = await callServer(input, listOrganisationsRoute, { query })
    return { rows: organisations, next }
  })
}

async function setAuth(input: Input, chosen: string | undefined): Promise<ShownOnce> {
  requireCombination(input, chosen)
  const auth = optionGiven(input, 'none') ? '' : chosen
  const reply: ReplyOf<typeof setAuthRoute> = await callServer(input, setAuthRoute, {
    params: { name: nameOf(input) },
    body: {
      ...(auth === undefined ? {} : { auth }),
      ...(optionGiven(input, 'open') ? { open: true } : {}),
      ...boundsOf(input),
    },
  })
  return { ...reply.organisation, ...(reply.auth === undefined ? {} : { authSecret: reply.auth }) }
}

/** @throws ERR_INVALID_INPUT for options that contradict each other. */
function requireCombination(input: Input, chosen: string | undefined): void {
  const [none, open] = [optionGiven(input, 'none'), optionGiven(input, 'open')]
  if ((none || open) && chosen !== undefined)
    throw invalidInput(none ? '--none' : '--open', 'cannot be combined with a secret')
  if (none && open) throw invalidInput('--none', 'cannot be combined with --open')
  if (none && ['expires', 'uses'].some((flag) => optionText(input, flag) !== undefined))
    throw invalidInput('--none', 'cannot be combined with --expires or --uses')
}

function boundsOf(input: Input): { readonly expiresInMs?: number; readonly uses?: number } {
  const [expires, uses] = [optionText(input, 'expires'), optionText(input, 'uses')]
  return {
    ...(expires === undefined ? {} : { expiresInMs: parseDuration(expires, '--expires') }),
    ...(uses === undefined ? {} : { uses: parseUses(uses) }),
  }
}

function parseUses(text: string): number {
  const uses = /^\d{1,7}$/.test(text) ? Number(text) : 0
  if (uses < 1 || uses > 1_000_000)
    throw invalidInput('--uses', 'must be a whole number from 1 to 1000000')
  return uses
}

function stateCommand(word: string, state: 'active' | 'suspended', summary: string): Command {
  return {
    name: `org ${word}`,
    summary,
    arguments: [nameArgument],
    options: [asOption],
    async run(input) {
      const params = { name: nameOf(input) }
      return (await callServer(input, setOrganisationStateRoute, { params, body: { state } }))
        .organisation
    },
    print: printOrganisation,
  }
}

function nameOf(input: Input): string {
  return input.args['name'] ?? ''
}

function printOrganisation(organisation: ShownOrganisation, io: Io): void {
  printFields(toOrganisationRow(organisation), io)
}

function printOnce({ authSecret, ...organisation }: ShownOnce, io: Io): void {
  printFields({ ...toOrganisationRow(organisation), 'auth secret': authSecret }, io)
  if (authSecret !== undefined) io.hint('the auth secret is not stored and not shown again')
  if (organisation.enrolment !== 'open') return
  io.words(
    'warning: everybody who reaches this server is now a client of this organisation at once',
  )
  if (organisation.authExpiresAt === undefined && organisation.authUsesLeft === undefined)
    io.hint('bound it with --expires and --uses, and end it with: ktadmin org set-auth NAME')
}
