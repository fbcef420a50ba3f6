/** `ktadmin client`: enrolled clients. */
import {
  type Command,
  type Input,
  type Io,
  optionText,
  printFields,
  printTable,
} from '@keyhsm/command-line'
import { DomainError, invalidInput, parseDuration, parseShortName } from '@keyhsm/core'
import {
  listClientsRoute,
  type QueryOf,
  reenrolRoute,
  type ReplyOf,
  setClientStateRoute,
} from '@keyhsm/protocol'
import { asOption, callServer, listWhole } from './control.js'

type Shown = ReplyOf<typeof listClientsRoute>['clients'][number]

const clientArgument = {
  name: 'client',
  describe: 'uuid, or fingerprint of the client’s key',
}
const states = ['waiting', 'active', 'disabled'] as const

export const clientCommands: readonly Command[] = [
  {
    name: 'client list',
    summary: 'list clients',
    options: [
      {
        flag: 'org',
        value: 'NAME',
        describe: 'only of this organisation',
        check: (text) => parseShortName(text, '--org'),
      },
      { flag: 'state', value: 'STATE', describe: `only ${states.join(', ')}`, check: parseState },
      asOption,
    ],
    async run(input) {
      const organisation = optionText(input, 'org')
      const state = optionText(input, 'state')
      const query = {
        ...(organisation === undefined ? {} : { organisation }),
        ...(state === undefined ? {} : { state: parseState(state) }),
      }
      return listClients(input, query)
    },
    print(clients: readonly Shown[], io: Io) {
      printTable(clients.map(toRow), ['name', 'organisation', 'state', 'created', 'uuid'], io)
    },
  },
  stateCommand('approve', 'approve a waiting client'),
  stateCommand('disable', 'disable a client; acts at once, on open connections too'),
  stateCommand('enable', 'enable a disabled client; a code for new keys is taken back'),
  {
    name: 'client reenrol',
    summary: 'end the keys of a client that lost them, and make a code to come back with new ones',
    arguments: [clientArgument],
    options: [
      {
        flag: 'expires',
        value: 'TIME',
        describe: 'how long the code can be used (default 24h)',
        check: (text) => parseDuration(text, '--expires'),
      },
      asOption,
    ],
    async run(input) {
      const expires = optionText(input, 'expires')
      const body = expires === undefined ? {} : { expiresInMs: parseDuration(expires, '--expires') }
      return callServer(input, reenrolRoute, { params: { ref: refOf(input) }, body })
    },
    print: printReenrolment,
  },
]

/** Every client that the filter leaves, asked for page by page. */
function listClients(
  input: Input,
  filter: QueryOf<typeof listClientsRoute>,
): Promise<readonly Shown[]> {
  return listWhole(async (after) => {
    const query = after === undefined ? filter : { ...filter, after }
    const { clients, next } = await callServer(input, listClientsRoute, { query })
    return { rows: clients, next }
  })
}

function printReenrolment(reply: ReplyOf<typeof reenrolRoute>, io: Io): void {
  const { client, code, expiresAt } = reply
  printFields({ ...toDetails(client), code, 'code ends': expiresAt }, io)
  io.hint('the code fits this client alone, once; it is not stored and not shown again')
  io.hint(`there: keytrustee register --server URL --org ${client.organisationName} \\`)
  io.hint(`         --clientname ${client.name} --code-file FILE`)
}

function stateCommand(action: 'approve' | 'disable' | 'enable', summary: string): Command {
  return {
    name: `client ${action}`,
    summary,
    arguments: [clientArgument],
    options: [asOption],
    async run(input) {
      const params = { ref: refOf(input) }
      return (await callServer(input, setClientStateRoute, { params, body: { action } })).client
    },
    print: (client: Shown, io: Io) => printFields(toDetails(client), io),
  }
}

/** The uuid of a client by its name, when one client has it. @throws ERR_NOT_FOUND; ERR_CONFLICT naming the uuids. */
export async function findClientUuid(
  input: Parameters<Command['run']>[0],
  name: string,
): Promise<string> {
  const clients = await listClients(input, {})
  const [client, ...others] = clients.filter((shown) => shown.name === name)
  if (!client) throw new DomainError('ERR_NOT_FOUND', `there is no client ${name}`)
  if (others.length === 0) return client.uuid
  throw new DomainError('ERR_CONFLICT', `several clients have the name ${name}`, {
    hints: [client, ...others].map((one) => `of ${one.organisationName}: ${one.uuid}`),
  })
}

function refOf(input: Input): string {
  return input.args['client'] ?? ''
}

function toDetails(client: Shown): Record<string, string> {
  const { keyFingerprint, identityFingerprint } = client
  const keys = { 'key fingerprint': keyFingerprint, 'identity fingerprint': identityFingerprint }
  return { ...toRow(client), ...keys }
}

function toRow({ name, organisationName, state, createdAt, uuid }: Shown): Record<string, string> {
  return { name, organisation: organisationName, state, created: createdAt, uuid }
}

function parseState(text: string): (typeof states)[number] {
  const state = states.find((known) => known === text)
  if (state === undefined) throw invalidInput('--state', `must be one of ${states.join(', ')}`)
  return state
}
