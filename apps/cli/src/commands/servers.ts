/** `keytrustee servers`: which servers of the installation this client asks. */
import { changeServers, originsOf, readLocalClient, recogniseServers } from '@keyhsm/client'
import {
  type Command,
  type Input,
  type Io,
  optionText,
  printFields,
  recognitionOf,
  registrationOptions,
} from '@keyhsm/command-line'
import { worded } from '../with-trustee.js'

const taken = new Set(['server', 'server-fingerprint', 'cacert', 'yes'])

interface Servers {
  readonly servers: readonly string[]
}

export const serversCommand: Command = {
  name: 'servers',
  summary: 'say which servers this client asks, or replace them with --server',
  options: registrationOptions({
    checkServer: (text) => originsOf(text, '--server'),
    defaultName: '',
  }).filter(({ flag }) => taken.has(flag)),
  run: (input, io) =>
    servers(input, io).catch((error: unknown) => {
      throw worded(error)
    }),
  print: ({ servers: urls }: Servers, io) => printFields({ servers: urls.join(', ') }, io),
}

async function servers(input: Input, io: Io): Promise<Servers> {
  const wanted = optionText(input, 'server')
  const { settings } =
    wanted === undefined
      ? await readLocalClient(input.home.client)
      : { settings: await replace(input, io, originsOf(wanted, '--server')) }
  return { servers: originsOf(settings.server) }
}

function replace(input: Input, io: Io, urls: readonly string[]) {
  return changeServers(input.home.client, {
    servers: urls,
    recognise: (all) => recogniseServers(all, recognitionOf(input, undefined), io),
  })
}
