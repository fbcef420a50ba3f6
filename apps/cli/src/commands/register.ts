/** `keytrustee register`: enrols this machine as a client of an organisation. */
import { hostname } from 'node:os'
import {
  type ClientSettings,
  originsOf,
  recogniseServers,
  type Registered,
  registerClient,
} from '@keyhsm/client'
import {
  type Command,
  enrolmentProofOf,
  type Input,
  type Io,
  optionText,
  printFields,
  recognitionOf,
  recoveryFingerprintOf,
  registrationOptions,
} from '@keyhsm/command-line'
import { invalidInput } from '@keyhsm/core'
import { sayRecovery } from '../recovery-words.js'
import { worded } from '../with-trustee.js'

/** What `register` prints. */
interface Registration
  extends Pick<ClientSettings, 'client' | 'clientName' | 'organisation' | 'server' | 'state'> {}

export const registerCommand: Command = {
  name: 'register',
  summary: 'enrol this machine as a client of an organisation',
  options: [
    ...registrationOptions({
      checkServer: (text) => originsOf(text, '--server'),
      defaultName: 'the host name',
    }),
    {
      flag: 'auth',
      value: 'S',
      describe: 'the auth secret itself',
      deprecated: 'others can read it in the process list, use --auth-file or KEYTRUSTEE_AUTH',
    },
  ],
  run: (input, io) =>
    register(input, io).catch((error: unknown) => {
      throw worded(error)
    }),
  print: (registration: Registration, io) => printFields({ ...registration }, io),
}

async function register(input: Input, io: Io): Promise<Registration> {
  const server = optionText(input, 'server')
  const registered = await registerClient(input.home.client, {
    server: server === undefined ? undefined : originsOf(server, '--server').join(','),
    organisationName: optionText(input, 'org'),
    clientName: optionText(input, 'clientname'),
    defaultName: ownName,
    recoveryFingerprint: recoveryFingerprintOf(input),
    findProof: () => enrolmentProofOf(input, io),
    recognise: (urls, pinned) =>
      recogniseServers(originsOf(urls), recognitionOf(input, pinned), io),
  })
  sayWhatIsLeft(registered, io)
  const { client, clientName, organisation, server: at, state } = registered.settings
  return { client, clientName, organisation, server: at, state }
}

/** The host name, without what a client's name must not have. */
function ownName(): string {
  const name = hostname()
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64)
  if (name === '') throw invalidInput('--clientname', 'is required: the host name cannot be used')
  return name
}

function sayWhatIsLeft({ settings, announced }: Registered, io: Io): void {
  sayRecovery({ pinned: settings.recovery, announced }, io)
  if (settings.state === 'active') return
  io.words('the registration waits for the approval of an administrator')
  io.hint(`on the server: ktadmin client approve ${settings.client}`)
  io.hint('then run `keytrustee register` here again: it finishes with the key made now')
}
