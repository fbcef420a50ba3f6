import { generateKeyPairSync } from 'node:crypto'
import { signRecipient } from '@keyhsm/protocol'
import { describe, expect, it } from 'vitest'
import {
  identityFingerprint,
  type Peer,
  recipientsOf,
  requirePinned,
} from '../../src/peers/peers.js'

function makePeer(name: string, recipient = `age1pq1${name}`) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const identityKey = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  const recipientSignature = signRecipient(recipient, privateKey).toString('base64')
  return { uuid: name, name, identityKey, recipient, recipientSignature } as unknown as Peer
}

const [anna, bert] = [makePeer('anna'), makePeer('bert')]
const pins = [anna.identityKey, bert.identityKey]

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
