/**
 * `keytrustee-orgtool`, the old product's tool, as a thin face of `ktadmin org` and `ktadmin client`: its options, its log
 * lines, its JSON. Auth secrets are shown once, by `add`; `list` no longer has them.
 */
import {
  type Command,
  findSecret,
  type Io,
  optionText,
  printLine,
  requiredText,
} from '@keyhsm/command-line'
import { hasCode, parseFingerprint, parseShortName } from '@keyhsm/core'
import { addOrganisationRoute, setAuthRoute, setClientStateRoute } from '@keyhsm/protocol'
import { asOption, callServer } from './control.js'
import { listOrganisations } from './org.js'
import type { ShownOrganisation } from './organisation-row.js'

/** What the old product's list says of an organisation that does not expire. */
const never = '9999-12-31T18:59:59'

const nameOption = {
  flag: 'name',
  short: 'n',
  value: 'NAME',
  required: true,
  describe: 'name of the organisation',
  check: (text: string) => parseShortName(text, '--name'),
} as const

export const orgtoolCommands: readonly Command[] = [
  {
    name: 'add',
    summary: 'add an organisation; its auth secret is shown this once',
    options: [
      nameOption,
      { flag: 'contacts', short: 'c', value: 'MAILS', describe: 'contacts, separated by commas' },
      asOption,
    ],
    async run(input, io) {
      logLine(io, 'Adding organization to database')
      const contacts = (optionText(input, 'contacts') ?? '')
        .split(',')
        .filter((mail) => mail !== '')
      const body = { name: requiredText(input, 'name'), contacts }
      const { organisation, auth } = await callServer(input, addOrganisationRoute, { body })
      logLine(io, 'Initializing random secret')
      return toOldJson([organisation], auth)
    },
    print: printOldJson,
  },
  {
    name: 'list',
    summary: 'list organisations as JSON',
    options: [asOption],
    run: async (input) => toOldJson(await listOrganisations(input), null),
    print: printOldJson,
  },
  {
    name: 'set-auth',
    summary: 'set the auth secret; an empty one means approval by an administrator',
    options: [
      nameOption,
      {
        flag: 'secret',
        short: 's',
        value: 'SECRET',
        describe: 'the new secret',
        deprecated: 'others can read it in the process list, use --secret-file',
      },
      { flag: 'secret-file', value: 'F', file: true, secret: true, describe: 'file with it, or -' },
      asOption,
    ],
    async run(input, io) {
      // An empty -s is the old product's way to ask for no secret at all.
      const none = optionText(input, 'secret') === ''
      const source = { flag: 'secret', fileFlag: 'secret-file', prompt: 'Auth secret' }
      const auth = none ? '' : findSecret(input, io, source)
      const params = { name: requiredText(input, 'name') }
      const reply = await callServer(input, setAuthRoute, {
        params,
        body: auth === undefined ? {} : { auth },
      })
      return toOldJson([reply.organisation], reply.auth ?? null)
    },
    print: printOldJson,
  },
  clientCommand('disable-client', 'disable', 'disable an activated client'),
  clientCommand(
    'enable-client',
    'enable',
    'enable a client that was disabled or waits for approval',
  ),
]

function clientCommand(name: string, action: 'disable' | 'enable', summary: string): Command {
  return {
    name,
    summary,
    options: [
      {
        flag: 'fingerprint',
        value: 'F',
        required: true,
        describe: 'SHA-256 fingerprint of the client’s key',
        check: (text) => parseFingerprint(text, '--fingerprint'),
      },
      asOption,
    ],
    async run(input) {
      const params = { ref: parseFingerprint(requiredText(input, 'fingerprint')) }
      const order = (body: { action: 'approve' | 'disable' | 'enable' }) =>
        callServer(input, setClientStateRoute, { params, body })
      const { client } = await order({ action }).catch((error: unknown) => {
        // The old tool's enable-client is also the approval of a waiting client.
        if (action === 'enable' && hasCode(error, 'ERR_CONFLICT'))
          return order({ action: 'approve' })
        throw error
      })
      return { uuid: client.uuid, name: client.name, state: client.state }
    },
  }
}

/** `2017-04-12 11:56:44,587 - keytrustee.server.orgtool - INFO - …` on standard error, in UTC. */
function logLine(io: Io, text: string): void {
  const at = new Date().toISOString().replace('T', ' ').replace('.', ',').replace('Z', '')
  io.stderr.write(`${at} - keytrustee.server.orgtool - INFO - ${text}\n`)
}

/** The old tool's document: organisations by name. `expiration` is that of the auth secret; `key_info` has no meaning here. */
function toOldJson(organisations: readonly ShownOrganisation[], secret: string | null) {
  const entries = organisations.map(({ name, uuid, contacts, createdAt, state, authExpiresAt }) => [
    name,
    {
      auth_secret: secret,
      contacts,
      creation: createdAt.slice(0, 19),
      expiration: authExpiresAt?.slice(0, 19) ?? never,
      key_info: null,
      name,
      state: state === 'active' ? 0 : 1,
      uuid,
    },
  ])
  return Object.fromEntries(entries) as Record<string, unknown>
}

function printOldJson(document: unknown, io: Io): void {
  printLine(JSON.stringify(document, undefined, 4), io)
}
