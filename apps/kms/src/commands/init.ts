/** `keytrustee-kms init`: makes this instance: the client it is on the Trustee Server, TLS pair, audit key, configuration files. */
import {
  type Command,
  findSecret,
  type Input,
  type Io,
  optionGiven,
  optionText,
  printFields,
} from '@keyhsm/command-line'
import { originOf, recogniseServer } from '@keyhsm/client'
import { invalidInput, parseFingerprint, parseShortName } from '@keyhsm/core'
import { initialiseFiles } from '../identity/initialise-files.js'
import { joinInstallation } from '../identity/join-installation.js'
import { type Registered, registerKms } from '../identity/register-kms.js'
import { proveConnection } from '../identity/prove-connection.js'
import { pathsOf } from './folder.js'

export const defaultClientName = 'keytrustee-kms'

export const initCommand: Command = {
  name: 'init',
  summary: 'make a KMS, or a further instance of one with --join',
  options: [
    {
      flag: 'server',
      value: 'URL',
      describe: 'https://host:11371 of the Trustee Server',
      check: (text) => originOf(text, '--server'),
    },
    {
      flag: 'org',
      value: 'O',
      describe: 'name of the organisation',
      check: (text) => parseShortName(text, '--org'),
    },
    {
      flag: 'auth-file',
      value: 'F',
      describe: "file with the organisation's auth secret, - for standard input",
      file: true,
      secret: true,
      maxBytes: 4096,
    },
    {
      flag: 'server-fingerprint',
      value: 'F',
      describe: "SHA-256 fingerprint of the server's certificate",
      check: (text) => parseFingerprint(text, '--server-fingerprint'),
    },
    {
      flag: 'cacert',
      value: 'F',
      describe: "the server's certificate or the CA that issued it, PEM",
      file: true,
      maxBytes: 1024 * 1024,
    },
    {
      flag: 'clientname',
      value: 'N',
      describe: `name of this KMS in the organisation, default ${defaultClientName}`,
      check: (text) => parseShortName(text, '--clientname'),
    },
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
    {
      flag: 'yes',
      short: 'y',
      describe: 'take the server that answers, without comparing its fingerprint',
    },
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

async function register(input: Input, io: Io): Promise<Registered> {
  const server = optionText(input, 'server')
  const organisationName = optionText(input, 'org')
  return registerKms(pathsOf(input), {
    server: server === undefined ? undefined : originOf(server, '--server'),
    organisationName,
    clientName: optionText(input, 'clientname') ?? defaultClientName,
    findAuth: () =>
      findSecret(input, io, {
        flag: 'auth',
        fileFlag: 'auth-file',
        env: 'KEYTRUSTEE_AUTH',
        prompt: 'Auth secret',
      }),
    recognise: (url, pinned) =>
      recogniseServer(
        url,
        {
          fingerprint: optionText(input, 'server-fingerprint'),
          cacert: input.files['cacert']?.toString('utf8'),
          pinned,
          takeIt: optionGiven(input, 'yes'),
        },
        io,
      ),
  })
}
