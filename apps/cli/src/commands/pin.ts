/** `keytrustee pin`: an identity key is compared once and believed from then on. */
import { addPin, findPeers, identityFingerprint, type Peer, writeLocalClient } from '@keyhsm/client'
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  optionText,
  printFields,
} from '@keyhsm/command-line'
import { DomainError, invalidInput, parseFingerprint, parseShortName } from '@keyhsm/core'
import { settingsIn } from '../settings-in.js'
import { withTrustee } from '../with-trustee.js'

interface Pinned {
  readonly name: string
  readonly uuid: string
  readonly fingerprint: string
  readonly uses: string
}

export const pinCommand: Command = {
  name: 'pin',
  summary: 'accept the identity key of another client, as a reader or trustee, or as a writer',
  arguments: [
    {
      name: 'client',
      describe: 'name or uuid of a client of the organisation',
      check: (text) => parseShortName(text, 'client'),
    },
  ],
  options: [
    {
      flag: 'fingerprint',
      value: 'F',
      describe: 'SHA-256 fingerprint it must have: `keytrustee status` there prints it',
      check: (text) => parseFingerprint(text, '--fingerprint'),
    },
    { flag: 'writer', describe: 'believe what this client wrote, too' },
  ],
  run: pin,
  print: (pinned: Pinned, io) => printFields({ ...pinned }, io),
}

async function pin(input: Input, io: Io): Promise<Pinned> {
  const name = input.args['client'] ?? ''
  const peer = await withTrustee(
    input,
    () => {},
    async ({ trustee }) => {
      const { clients, group } = await findPeers(trustee, name)
      const [client] = clients
      if (group !== undefined || !client) throw invalidInput('client', 'must be a client, no group')
      return client
    },
  )
  await accept(peer, input, io)
  const writer = optionGiven(input, 'writer')
  const bare = await save(input.home.client, peer, writer)
  if (bare > 0)
    io.hint(`${bare} keys that an earlier release pinned are good under any name: keytrustee pins`)
  const uses = writer ? 'reader, trustee, writer' : 'reader, trustee'
  const { name: shown, uuid, identityKey } = peer
  return { name: shown, uuid, fingerprint: identityFingerprint(identityKey), uses }
}

async function accept({ name, uuid, identityKey }: Peer, input: Input, io: Io): Promise<void> {
  const shown = identityFingerprint(identityKey)
  const expected = optionText(input, 'fingerprint')
  if (expected !== undefined) {
    if (parseFingerprint(expected, '--fingerprint') === shown) return
    throw new DomainError('ERR_INTEGRITY', `${name} has another identity key: nothing was pinned`, {
      hints: [`the server says ${shown}`],
    })
  }
  if (!io.isTerminal) throw invalidInput('--fingerprint', 'is needed where nobody can be asked')
  io.words(`the identity key of ${name} (${uuid}) has the SHA-256 fingerprint`)
  io.words(shown)
  const answer = await io.ask('Is it what `keytrustee status` shows there? [y/N] ')
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new DomainError('ERR_NOT_ALLOWED', 'nothing was pinned')
}

/**
 * A key that comes in the place of a pinned one is no reader's or trustee's any more; what it wrote stays believed.
 * @returns how many keys are pinned under no name
 */
async function save(folder: string, peer: Peer, writer: boolean): Promise<number> {
  const settings = await settingsIn(folder)
  const { writers = [] } = settings
  const peers = [...addPin(settings.peers ?? [], peer)]
  await writeLocalClient(folder, {
    ...settings,
    peers,
    ...(writer ? { writers: [...new Set([...writers, peer.identityKey])] } : {}),
  })
  return peers.filter((pin) => typeof pin === 'string').length
}
