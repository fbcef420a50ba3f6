/**
 * Other clients, as readers and trustees. What the server says of them is believed only as far as an identity key vouches
 * for it whose fingerprint the owner got from elsewhere.
 */
import { asUuid, DomainError, type Fingerprint } from '@keyhsm/core'
import { type findPeersRoute, isRecipientSigned, type ReplyOf } from '@keyhsm/protocol'
import type { Pin } from '../identity/client-settings.js'
import { identityFingerprintOfRaw, parseWriterKey, rawWriterKey } from '../sealing/writer-key.js'
import type { TrusteeClient } from '../trustee-client.js'

export type Peer = ReplyOf<typeof findPeersRoute>['clients'][number]

/** A text is the key (SPKI, base64) that an earlier release pinned under no name. */
export type Pins = readonly (Pin | string)[]

/** SHA-256 of the raw identity key: what people compare. @param identityKey SPKI, base64. */
export function identityFingerprint(identityKey: string): Fingerprint {
  return identityFingerprintOfRaw(rawWriterKey(parseWriterKey(identityKey, 'identityKey')))
}

/**
 * The client that `ref` names, or the members of the group. A pinned client is answered by itself alone.
 * @param ref name or uuid
 * @throws ERR_NOT_FOUND; ERR_INTEGRITY when the server answers with somebody else.
 */
export async function findPeers(
  trustee: Pick<TrusteeClient, 'peers'>,
  ref: string,
  pins: Pins = [],
): Promise<ReplyOf<typeof findPeersRoute>> {
  const found = await trustee.peers(ref)
  const [client, ...others] = found.clients
  const isAsked = found.group
    ? isNamed(found.group, ref) && !named(pins).some((pin) => isNamed(pin, ref))
    : client !== undefined && others.length === 0 && isNamed(client, ref)
  if (isAsked) return found
  throw new DomainError('ERR_INTEGRITY', `the server names others in the place of ${ref}`, {
    hints: ['a group that is called as a pinned client is named by its uuid'],
  })
}

/** @throws ERR_INTEGRITY naming who is not pinned, and how to pin; or who is shown under another name than its own. */
export function requirePinned(peers: readonly Peer[], pins: Pins = []): void {
  const keys = new Set(pins.map((pin) => (typeof pin === 'string' ? pin : pin.identityKey)))
  const strangers = peers.filter(({ identityKey }) => !keys.has(identityKey))
  if (strangers.length > 0) throw notPinned(strangers)
  for (const peer of peers) requireOwnName(peer, pins)
}

function notPinned(strangers: readonly Peer[]): DomainError {
  const names = strangers.map(({ name }) => name).join(', ')
  return new DomainError('ERR_INTEGRITY', `the identity keys of these are not pinned: ${names}`, {
    hints: strangers.map(howToPin),
  })
}

/**
 * Whoever is pinned, by key or by uuid, is shown with the key and under the name that were pinned.
 * @throws ERR_INTEGRITY
 */
export function requireOwnName(
  peer: Pick<Peer, 'uuid' | 'name' | 'identityKey'>,
  pins: Pins = [],
): void {
  const { uuid, name, identityKey } = peer
  const other = named(pins).find(
    (pin) =>
      (pin.identityKey === identityKey || pin.uuid === uuid || pin.name === name) &&
      !(pin.identityKey === identityKey && pin.uuid === uuid && pin.name === name),
  )
  if (!other) return
  throw new DomainError(
    'ERR_INTEGRITY',
    `the server shows ${name} with an identity key, name or uuid that was pinned for ${other.name} otherwise`,
    { hints: [howToPin(peer)] },
  )
}

function howToPin({ name, identityKey }: Pick<Peer, 'name' | 'identityKey'>): string {
  return `once compared with its owner: keytrustee pin ${name} --fingerprint ${identityFingerprint(identityKey)}`
}

/**
 * The pins after this one, which takes the place of the client's former key.
 * @throws ERR_CONFLICT when its key, name or uuid is pinned for another client: only the key was compared
 */
export function addPin(pins: Pins, { uuid, name, identityKey }: Pin): Pins {
  const other = named(pins).find(
    (pin) =>
      (pin.identityKey === identityKey || pin.uuid === uuid || pin.name === name) &&
      (pin.uuid !== uuid || pin.name !== name),
  )
  if (other)
    throw new DomainError(
      'ERR_CONFLICT',
      `${name} (${uuid}) shares its key, name or uuid with ${other.name} (${other.uuid}), who is pinned: nothing was pinned`,
      { hints: [`when it is the same client after all: keytrustee unpin ${other.name}`] },
    )
  const others = pins.filter((pin) =>
    typeof pin === 'string' ? pin !== identityKey : pin.uuid !== uuid,
  )
  return [...others, { uuid, name, identityKey }]
}

/** @param ref name, uuid, or the fingerprint of the key, with colons or without */
export function isPinOf(pin: Pins[number], ref: string): boolean {
  const key = typeof pin === 'string' ? pin : pin.identityKey
  if (identityFingerprint(key) === ref.replaceAll(':', '').toLowerCase()) return true
  return typeof pin !== 'string' && isNamed(pin, ref)
}

function named(pins: Pins): readonly Pin[] {
  return pins.filter((pin) => typeof pin !== 'string')
}

function isNamed({ uuid, name }: { readonly uuid: string; readonly name: string }, ref: string) {
  return name === ref || uuid === asUuid(ref)
}

/** The age recipients of pinned peers, each signed by its identity key. @throws ERR_INTEGRITY */
export function recipientsOf(peers: readonly Peer[], pins: Pins): readonly string[] {
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
