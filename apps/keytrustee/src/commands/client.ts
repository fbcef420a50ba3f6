/** `ktadmin client`: enrolled clients. */
import { type Command, type Io, optionText, printFields, printTable } from '@keyhsm/command-line'
import { DomainError, invalidInput, parseShortName } from '@keyhsm/core'
import { listClientsRoute, type ReplyOf, setClientStateRoute } from '@keyhsm/protocol'
import { asOption, callServer } from './control.js'

type Shown = ReplyOf<typeof listClientsRoute>['clients'][number]

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
      return (await callServer(input, listClientsRoute, { query })).clients
    },
    print(clients: readonly Shown[], io: Io) {
      printTable(clients.map(toRow), ['name', 'organisation', 'state', 'created', 'uuid'], io)
    },
  },
  stateCommand('approve', 'approve a waiting client'),
  stateCommand('disable', 'disable a client; acts at once, on open connections too'),
  stateCommand('enable', 'enable a disabled client'),
]

function stateCommand(action: 'approve' | 'disable' | 'enable', summary: string): Command {
  return {
    name: `client ${action}`,
    summary,
    arguments: [{ name: 'client', describe: 'uuid, or fingerprint of the client’s key' }],
    options: [asOption],
    async run(input) {
      const params = { ref: input.args['client'] ?? '' }
      return (await callServer(input, setClientStateRoute, { params, body: { action } })).client
    },
    print: (client: Shown, io: Io) =>
      printFields({ ...toRow(client), 'key fingerprint': client.keyFingerprint }, io),
  }
}

/** The uuid of a client by its name, when one client has it. @throws ERR_NOT_FOUND; ERR_CONFLICT naming the uuids. */
export async function findClientUuid(
  input: Parameters<Command['run']>[0],
  name: string,
): Promise<string> {
  const { clients } = await callServer(input, listClientsRoute)
  const [client, ...others] = clients.filter((shown) => shown.name === name)
  if (!client) throw new DomainError('ERR_NOT_FOUND', `there is no client ${name}`)
  if (others.length === 0) return client.uuid
  throw new DomainError('ERR_CONFLICT', `several clients have the name ${name}`, {
    hints: [client, ...others].map((one) => `of ${one.organisationName}: ${one.uuid}`),
  })
}

function toRow({ name, organisationName, state, createdAt, uuid }: Shown): Record<string, string> {
  return { name, organisation: organisationName, state, created: createdAt, uuid }
}

function parseState(text: string): (typeof states)[number] {
  const state = states.find((known) => known === text)
  if (state === undefined) throw invalidInput('--state', `must be one of ${states.join(', ')}`)
  return state
}
