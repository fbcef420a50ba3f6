/** `keytrustee pins|unpin`: whose identity keys are believed, and no longer. */
import { type ClientSettings, identityFingerprint, isPinOf, writeLocalClient } from '@keyhsm/client'
import { type Command, type Input, type Io, printLine, printTable } from '@keyhsm/command-line'
import { invalidInput, parseHandle } from '@keyhsm/core'
import { settingsIn } from '../settings-in.js'

interface PinnedKey {
  /** Absent: pinned by an earlier release, or as a writer alone. */
  readonly name?: string
  readonly uuid?: string
  readonly fingerprint: string
  readonly uses: string
}

export const pinsCommand: Command = {
  name: 'pins',
  summary: 'list the identity keys that this client accepts, and as whose',
  run: async (input: Input) => listPins(await settingsIn(input.home.client)),
  print(pins: readonly PinnedKey[], io: Io) {
    const rows = pins.map((pin) => ({ ...pin, name: pin.name ?? '-', uuid: pin.uuid ?? '-' }))
    printTable(rows, ['name', 'uuid', 'fingerprint', 'uses'], io)
  },
}

export const unpinCommand: Command = {
  name: 'unpin',
  summary: 'no longer accept a client: as reader, trustee and writer',
  arguments: [
    {
      name: 'client',
      describe: 'name, uuid, or fingerprint of its key as `keytrustee pins` shows it',
      check: (text) => parseHandle(text.replaceAll(':', ''), 'client'),
    },
  ],
  run: unpin,
  print: (gone: readonly PinnedKey[], io: Io) => {
    for (const { name, fingerprint } of gone)
      printLine(`${name ?? 'a key'} is not pinned any more: ${fingerprint}`, io)
  },
}

function listPins({
  peers = [],
  writers = [],
}: Pick<ClientSettings, 'peers' | 'writers'>): PinnedKey[] {
  const accepted = peers.map((pin) => (typeof pin === 'string' ? { identityKey: pin } : pin))
  const keys = accepted.map(({ identityKey }) => identityKey)
  const others = writers.filter((key) => !keys.includes(key))
  return [...accepted, ...others.map((identityKey) => ({ identityKey }))].map(
    ({ identityKey, ...whose }) => {
      const uses = [
        ...(keys.includes(identityKey) ? ['reader', 'trustee'] : []),
        ...(writers.includes(identityKey) ? ['writer'] : []),
      ].join(', ')
      return { ...whose, fingerprint: identityFingerprint(identityKey), uses }
    },
  )
}

/** @throws ERR_INVALID_INPUT when nothing is pinned for it */
async function unpin(input: Input): Promise<readonly PinnedKey[]> {
  const ref = input.args['client'] ?? ''
  const settings = await settingsIn(input.home.client)
  const { peers = [], writers = [] } = settings
  const gone = peers.filter((pin) => isPinOf(pin, ref))
  const keys = gone.map((pin) => (typeof pin === 'string' ? pin : pin.identityKey))
  const isGone = (key: string) => keys.includes(key) || isPinOf(key, ref)
  const unbelieved = writers.filter(isGone)
  if (gone.length + unbelieved.length === 0)
    throw invalidInput('client', 'must be pinned: see keytrustee pins')
  await writeLocalClient(input.home.client, {
    ...settings,
    peers: peers.filter((pin) => !gone.includes(pin)),
    writers: writers.filter((key) => !isGone(key)),
  })
  return listPins({ peers: gone, writers: unbelieved })
}
