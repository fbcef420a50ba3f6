/**
 * Other clients, as readers and trustees. What the server says of them is believed only as far as an identity key vouches
 * for it whose fingerprint the owner got from elsewhere.
 */
import { DomainError, type Fingerprint } from '@keyhsm/core'
import { type findPeersRoute, isRecipientSigned, type ReplyOf } from '@keyhsm/protocol'
import { identityFingerprintOfRaw, parseWriterKey, rawWriterKey } from '../sealing/writer-key.js'

export type Peer = ReplyOf<typeof findPeersRoute>['clients'][number]

/** SHA-256 of the raw identity key: what people compare. @param identityKey SPKI, base64. */
export function identityFingerprint(identityKey: string): Fingerprint {
  return identityFingerprintOfRaw(rawWriterKey(parseWriterKey(identityKey, 'identityKey')))
}

/** @param pins identity keys (SPKI, base64). @throws ERR_INTEGRITY naming who is not pinned, and how to pin. */
export function requirePinned(peers: readonly Peer[], pins: readonly string[]): void {
  const strangers = peers.filter(({ identityKey }) => !pins.includes(identityKey))
  if (strangers.length === 0) return
  const names = strangers.map(({ name }) => name).join(', ')
  throw new DomainError('ERR_INTEGRITY', `the identity keys of these are not pinned: ${names}`, {
    hints: strangers.map(
      ({ name, identityKey }) =>
        `once compared with its owner: keytrustee pin ${name} --fingerprint ${identityFingerprint(identityKey)}`,
    ),
  })
}

/** The age recipients of pinned peers, each signed by its identity key. @throws ERR_INTEGRITY */
export function recipientsOf(peers: readonly Peer[], pins: readonly string[]): readonly string[] {
  requirePinned(peers, pins)
  return peers.map(({ name, identityKey, recipient, recipientSignature }) => {
    const key = parseWriterKey(identityKey, 'identityKey')
    const signature = Buffer.from(recipientSignature ?? '', 'base64')
    if (isRecipientSigned(recipient, key, signature)) return recipient
    throw new DomainError(
      'ERR_INTEGRITY',
      `the recipient of ${name} is not signed by its identity key`,
      {
        hints: [`it signs when it renews its certificate: keytrustee status on ${name}`],
      },
    )
  })
}
