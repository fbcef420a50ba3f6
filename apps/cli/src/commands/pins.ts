/** `keytrustee pins|unpin`: whose identity keys are believed, and no longer. */
import {
  type ClientSettings,
  identityFingerprint,
  type Pin,
  removePin,
  writeLocalClient,
} from '@keyhsm/client'
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
  summary: 'accept a client no longer, in no use',
  arguments: [
    {
      name: 'client',
      describe: 'name, uuid, or fingerprint of its key as `keytrustee pins` shows it',
      check: (text) => parseHandle(text, 'client'),
    },
  ],
  run: unpin,
  print: (gone: readonly PinnedKey[], io: Io) => {
    for (const { name, fingerprint } of gone)
      printLine(`${name ?? 'a key'} is not pinned any more: ${fingerprint}`, io)
  },
}

function listPins({ peers = [], writers = [] }: ClientSettings): PinnedKey[] {
  const usesOf = (key: string) => (writers.includes(key) ? ', writer' : '')
  const accepted = peers.map((pin) => {
    const { identityKey, ...whose }: Partial<Pin> & Pick<Pin, 'identityKey'> =
      typeof pin === 'string' ? { identityKey: pin } : pin
    const uses = `reader, trustee${usesOf(identityKey)}`
    return { ...whose, fingerprint: identityFingerprint(identityKey), uses }
  })
  const readers = new Set(accepted.map(({ fingerprint }) => fingerprint))
  const others = writers
    .map((key) => ({ fingerprint: identityFingerprint(key), uses: 'writer' }))
    .filter(({ fingerprint }) => !readers.has(fingerprint as never))
  return [...accepted, ...others]
}

/** @throws ERR_INVALID_INPUT when nothing is pinned for it */
async function unpin(input: Input): Promise<readonly PinnedKey[]> {
  const ref = input.args['client'] ?? ''
  const settings = await settingsIn(input.home.client)
  const before = listPins(settings)
  const peers = [...removePin(settings.peers ?? [], ref)]
  const gone = before.filter(
    ({ name, uuid, fingerprint }) =>
      name === ref || uuid === ref.toLowerCase() || fingerprint === formOf(ref),
  )
  if (gone.length === 0) throw invalidInput('client', 'must be pinned: see keytrustee pins')
  const keys = new Set(gone.map(({ fingerprint }) => fingerprint))
  const writers = (settings.writers ?? []).filter((key) => !keys.has(identityFingerprint(key)))
  await writeLocalClient(input.home.client, { ...settings, peers, writers })
  return gone
}

function formOf(fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toLowerCase()
}
