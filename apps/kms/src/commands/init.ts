/** `keytrustee-kms init`: makes this instance: the client it is on the Trustee Server, TLS pair, audit key, configuration files. */
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
import { originsOf, recogniseServers } from '@keyhsm/client'
import { invalidInput } from '@keyhsm/core'
import { initialiseFiles } from '../identity/initialise-files.js'
import { joinInstallation } from '../identity/join-installation.js'
import { type RegisteredKms, registerKms } from '../identity/register-kms.js'
import { proveConnection } from '../identity/prove-connection.js'
import { pathsOf } from './folder.js'

export const defaultClientName = 'keytrustee-kms'

export const initCommand: Command = {
  name: 'init',
  summary: 'make a KMS, or a further instance of one with --join',
  setsUp: true,
  options: [
    ...registrationOptions({
      checkServer: (text) => originsOf(text, '--server'),
      defaultName: defaultClientName,
    }),
    {
      flag: 'join',
      value: 'F',
      describe: 'be a further instance: the file that `keytrustee-kms identity` wrote on the first',
      file: true,
      secret: true,
    },
    {
      flag: 'host',
      value: 'NAME',
      describe: 'name or address by which clients reach this instance, for its certificate',
      repeatable: true,
    },
    { flag: 'port', value: 'N', describe: 'port of the listener, default 9600', check: checkPort },
  ],
  run: init,
  print: (made: object, io: Io) => printFields({ ...made }, io),
}

function checkPort(text: string): void {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw invalidInput('--port', 'must be a whole number from 0 to 65535')
}

async function init(input: Input, io: Io): Promise<object> {
  const paths = pathsOf(input)
  const bundle = input.files['join']
  const registered = bundle ? await joinInstallation(paths, bundle) : await register(input, io)
  const made = await initialiseFiles(paths, {
    names: (input.options['host'] as readonly string[] | undefined) ?? [],
    port: optionText(input, 'port'),
  })
  if (registered.state === 'waiting') {
    io.words('the registration waits for the approval of an administrator')
    io.hint(`on the server: ktadmin client approve ${registered.client}`)
    io.hint('then run `keytrustee-kms init` here again: it finishes with the key made now')
  } else await proveConnection(paths, { joined: bundle !== undefined })
  return { ...registered, made: made.length === 0 ? 'nothing, all was there' : made.join(', ') }
}

async function register(input: Input, io: Io): Promise<RegisteredKms> {
  const server = optionText(input, 'server')
  return registerKms(pathsOf(input), {
    server: server === undefined ? undefined : originsOf(server, '--server').join(','),
    organisationName: optionText(input, 'org'),
    clientName: optionText(input, 'clientname'),
    defaultName: () => defaultClientName,
    recoveryFingerprint: recoveryFingerprintOf(input),
    findProof: () => enrolmentProofOf(input, io),
    recognise: (urls, pinned) =>
      recogniseServers(originsOf(urls), recognitionOf(input, pinned), io),
  })
}
