/** `keytrustee register`: enrols this machine as a client of an organisation. */
import { hostname } from 'node:os'
import {
  type ClientSettings,
  type Enrolment,
  enrolClient,
  findClientSettings,
  makeClientKeys,
  originOf,
  recogniseServer,
  writeLocalClient,
} from '@keyhsm/client'
import {
  type Command,
  findSecret,
  type Input,
  type Io,
  optionGiven,
  optionText,
  printFields,
} from '@keyhsm/command-line'
import {
  DomainError,
  invalidInput,
  parseFingerprint,
  parseShortName,
  parseUuid,
} from '@keyhsm/core'
import { worded } from '../with-trustee.js'

/** What `register` prints. */
interface Registration {
  readonly client: string
  readonly clientName: string
  readonly organisation: string
  readonly server: string
  readonly state: 'active' | 'waiting'
}

export const registerCommand: Command = {
  name: 'register',
  summary: 'enrol this machine as a client of an organisation',
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
      flag: 'auth',
      value: 'S',
      describe: 'the auth secret itself',
      deprecated: 'others can read it in the process list, use --auth-file or KEYTRUSTEE_AUTH',
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
      describe: 'name of this client, by default the host name',
      check: (text) => parseShortName(text, '--clientname'),
    },
    {
      flag: 'yes',
      short: 'y',
      describe: 'take the server that answers, without comparing its fingerprint',
    },
  ],
  run: (input, io) =>
    register(input, io).catch((error: unknown) => {
      throw worded(error)
    }),
  print: (registration: Registration, io) => printFields({ ...registration }, io),
}

async function register(input: Input, io: Io): Promise<Registration> {
  const folder = input.home.client
  const earlier = await findClientSettings(folder)
  if (earlier?.state === 'active') throw alreadyRegistered(earlier)
  const wish = readWish(input, earlier)
  const auth = findSecret(input, io, {
    flag: 'auth',
    fileFlag: 'auth-file',
    env: 'KEYTRUSTEE_AUTH',
    prompt: 'Auth secret',
  })
  const fingerprint = optionText(input, 'server-fingerprint')
  const recognition = {
    fingerprint,
    // A fingerprint given now counts more than what an earlier call pinned.
    pinned:
      fingerprint === undefined && earlier?.server === wish.server
        ? earlier.serverCertificates
        : undefined,
    cacert: input.files['cacert']?.toString('utf8'),
    takeIt: optionGiven(input, 'yes'),
  }
  const serverCertificates = await recogniseServer(wish.server, recognition, io)
  const keys = await makeClientKeys(folder)
  const enrolment = await enrolClient({ ...wish, serverCertificates, auth }, keys)
  const settings = toSettings({ ...wish, serverCertificates }, enrolment, earlier)
  await writeLocalClient(folder, settings, enrolment.certificate)
  if (enrolment.state === 'waiting') sayHowToApprove(enrolment, io)
  const { client, organisation, state } = enrolment
  return { client, clientName: wish.clientName, organisation, server: wish.server, state }
}

interface Wish {
  readonly server: string
  readonly organisationName: string
  readonly clientName: string
}

/** What to register as; a registration that waits is finished without repeating where and as what. */
function readWish(input: Input, earlier: ClientSettings | undefined): Wish {
  const server = optionText(input, 'server')
  const origin = server === undefined ? earlier?.server : originOf(server, '--server')
  const organisationName = optionText(input, 'org') ?? earlier?.organisationName
  const clientName = optionText(input, 'clientname') ?? earlier?.clientName ?? ownName()
  if (origin === undefined) throw invalidInput('--server', 'is required')
  if (organisationName === undefined) throw invalidInput('--org', 'is required')
  return { server: origin, organisationName, clientName }
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

function toSettings(
  at: Wish & { serverCertificates: string },
  enrolment: Enrolment,
  earlier: ClientSettings | undefined,
): ClientSettings {
  const { maxContentBytes, writers, peers, recovery, sealing } = earlier ?? {}
  return {
    version: 1,
    server: at.server,
    serverCertificates: at.serverCertificates,
    organisationName: at.organisationName,
    organisation: parseUuid(enrolment.organisation),
    clientName: at.clientName,
    client: parseUuid(enrolment.client),
    state: enrolment.state,
    ...(maxContentBytes === undefined ? {} : { maxContentBytes }),
    ...(writers === undefined ? {} : { writers }),
    ...(peers === undefined ? {} : { peers }),
    ...(recovery === undefined ? {} : { recovery }),
    ...(sealing === undefined ? {} : { sealing }),
  }
}

function sayHowToApprove(enrolment: Enrolment, io: Io): void {
  io.words('the registration waits for the approval of an administrator')
  io.hint(`on the server: ktadmin client approve ${enrolment.client}`)
  io.hint('then run `keytrustee register` here again: it finishes with the key made now')
}

function alreadyRegistered({ clientName, server }: ClientSettings): DomainError {
  return new DomainError(
    'ERR_ALREADY_EXISTS',
    `this machine is already registered at ${server} as ${clientName}`,
    { hints: ['use another --home DIR for a second client; `keytrustee status` shows this one'] },
  )
}
