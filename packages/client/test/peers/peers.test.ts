import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { signRecipient } from '@keyhsm/protocol'
import { describe, expect, it } from 'vitest'
import {
  addPin,
  findPeers,
  identityFingerprint,
  isPinOf,
  type Peer,
  type Pins,
  recipientsOf,
  requirePinned,
} from '../../src/peers/peers.js'

function makePeer(name: string, recipient = `age1pq1${name}`) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const identityKey = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  const recipientSignature = signRecipient(recipient, privateKey).toString('base64')
  const uuid = randomUUID()
  return { uuid, name, identityKey, recipient, recipientSignature } as unknown as Peer
}

const [anna, bert] = [makePeer('anna'), makePeer('bert')]
const pins = [anna, bert].reduce<Pins>((before, peer) => addPin(before, peer), [])

describe('the recipients of readers', () => {
  it('are believed when a pinned identity key has signed them', () => {
    expect(recipientsOf([anna, bert], pins)).toEqual([anna.recipient, bert.recipient])
  })

  it('are refused for whoever is not pinned, saying how to pin', () => {
    expect(() => requirePinned([anna, bert], [anna.identityKey])).toThrow(
      expect.objectContaining({
        code: 'ERR_INTEGRITY',
        message: 'the identity keys of these are not pinned: bert',
        hints: [expect.stringContaining(identityFingerprint(bert.identityKey)) as string],
      }),
    )
    expect(() => recipientsOf([bert], [anna.identityKey])).toThrow('not pinned')
  })

  it.each([
    ['the server’s own recipient', { recipient: 'age1pq1server' }],
    [
      'that of another, with its signature',
      { recipient: bert.recipient, recipientSignature: bert.recipientSignature },
    ],
    ['none of its signature', { recipientSignature: undefined }],
    ['a signature of noise', { recipientSignature: Buffer.alloc(64, 7).toString('base64') }],
  ])('are refused with %s in place of a pinned reader’s', (_what, lie) => {
    expect(() => recipientsOf([{ ...anna, ...lie } as Peer], pins)).toThrow(
      expect.objectContaining({
        code: 'ERR_INTEGRITY',
        message: 'the recipient of anna is not signed by its identity key',
      }),
    )
  })
})

const broken = (message: string) =>
  expect.objectContaining({
    code: 'ERR_INTEGRITY',
    message: expect.stringContaining(message) as string,
  }) as Error

describe('a pinned client', () => {
  it.each([
    ['under the name of another', { ...bert, name: 'anna', uuid: anna.uuid }],
    ['under the name of another that is not pinned', { ...bert, name: 'carl' }],
    ['under another uuid', { ...bert, uuid: randomUUID() as Peer['uuid'] }],
  ])('is refused %s', (_what, shown) => {
    expect(() => requirePinned([shown], pins)).toThrow(broken('was pinned for'))
    expect(() => recipientsOf([shown], pins)).toThrow(broken('was pinned for'))
  })

  it('is accepted under any name where an earlier release pinned the key alone', () => {
    requirePinned([{ ...bert, name: 'carl' }], [bert.identityKey])
    expect(addPin([bert.identityKey], bert)).toEqual([
      { uuid: bert.uuid, name: 'bert', identityKey: bert.identityKey },
    ])
  })

  it('that came back with another key has one pin, the new one', () => {
    const again = { ...makePeer('bert'), uuid: bert.uuid }
    expect(() => requirePinned([again], pins)).toThrow(broken('not pinned: bert'))
    const after = addPin(pins, again)
    requirePinned([anna, again], after)
    expect(() => requirePinned([bert], after)).toThrow(broken('not pinned: bert'))
  })

  it.each([
    ['its uuid', { uuid: anna.uuid }],
    ['its name', { name: 'anna' }],
    ['its key', { identityKey: anna.identityKey }],
  ])('is not put aside by the pin of another client with %s', (_what, shared) => {
    expect(() => addPin(pins, { ...makePeer('carl'), ...shared })).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFLICT',
        hints: [expect.stringContaining('keytrustee unpin anna') as string],
      }),
    )
  })

  it('is found by name, uuid or fingerprint, a key without a name by its fingerprint alone', () => {
    const of = (known: Pins, ref: string) => known.filter((pin) => isPinOf(pin, ref))
    for (const ref of ['bert', bert.uuid.toUpperCase(), identityFingerprint(bert.identityKey)])
      expect(of(pins, ref)).toEqual(pins.slice(1))
    const bare = [anna.identityKey, bert.identityKey]
    const shown = identityFingerprint(bert.identityKey)
      .toUpperCase()
      .replace(/(..)(?=.)/g, '$1:')
    expect(of(bare, shown)).toEqual([bert.identityKey])
    expect(of(bare, 'bert')).toEqual([])
  })
})

describe('whom a name means', () => {
  type Found = Awaited<ReturnType<typeof findPeers>>
  const ask = (ref: string, found: object, known: Pins = pins) =>
    findPeers({ peers: () => Promise.resolve(found as Found) }, ref, known)
  const group = { uuid: randomUUID(), name: 'ops' }

  it('is the client of that name or uuid, or the members of that group', async () => {
    expect((await ask('anna', { clients: [anna] })).clients).toEqual([anna])
    expect((await ask(anna.uuid.toUpperCase(), { clients: [anna] })).clients).toEqual([anna])
    expect((await ask('ops', { clients: [anna, bert], group })).clients).toHaveLength(2)
    expect((await ask(group.uuid, { clients: [], group })).clients).toEqual([])
  })

  it.each([
    ['another client', 'anna', { clients: [bert] }],
    ['nobody', 'anna', { clients: [] }],
    ['one client more', 'anna', { clients: [anna, bert] }],
    ['another group', 'staff', { clients: [anna], group }],
    [
      'a group of that name in place of a pinned client',
      'anna',
      { clients: [bert], group: { ...group, name: 'anna' } },
    ],
  ])('is never answered by %s', async (_what, ref, found) => {
    await expect(ask(ref, found)).rejects.toThrow(broken(`in the place of ${ref}`))
  })
})
