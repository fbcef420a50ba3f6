/** Sealing and opening as a registered client: its keys, its pins, its settings. */
import { asUuid, DomainError, hasCode, parseHandle } from '@keyhsm/core'
import type { LocalClient } from '../identity/client-folder.js'
import { findPeers, type Peer, type Pins, recipientsOf } from '../peers/peers.js'
import type { Policy, PutRequest, Retrieved, TrusteeClient } from '../trustee-client.js'
import { openAsReader } from './open-as-reader.js'
import { isAgeFile, sealForReaders } from './seal-for-readers.js'
import { formatWriterKey } from './writer-key.js'

/**
 * Everyone else whom a policy lets read: named clients and the members of named groups, but no trustee, as those never read.
 * @param trustees their uuids or identity keys (SPKI, base64)
 */
export async function findReaders(
  trustee: Pick<TrusteeClient, 'peers'>,
  { settings }: LocalClient,
  policy: Policy | undefined,
  trustees: readonly string[] = [],
): Promise<readonly Peer[]> {
  const found = new Map<string, Peer>()
  for (const name of [...(policy?.clients ?? []), ...(policy?.groups ?? [])])
    for (const peer of await findActive(trustee, name, settings.peers)) found.set(peer.uuid, peer)
  found.delete(settings.client)
  return [...found.values()].filter(
    ({ uuid, identityKey }) => !trustees.includes(uuid) && !trustees.includes(identityKey),
  )
}

/** A stored policy names by uuid; whoever is gone or disabled since cannot read, and is passed over. */
async function findActive(
  trustee: Pick<TrusteeClient, 'peers'>,
  ref: string,
  pins: Pins | undefined,
): Promise<readonly Peer[]> {
  try {
    return (await findPeers(trustee, ref, pins)).clients
  } catch (error) {
    if (asUuid(ref) !== undefined && hasCode(error, 'ERR_NOT_FOUND')) return []
    throw error
  }
}

/** Those for whom a put is sealed: where it names no readers or trustees, the deposit keeps those that it has. */
export async function findReadersOfPut(
  trustee: Pick<TrusteeClient, 'peers' | 'find'>,
  client: LocalClient,
  put: Pick<PutRequest, 'handle' | 'condition' | 'policy' | 'trustees'>,
): Promise<readonly Peer[]> {
  const present = put.condition === 'absent' ? undefined : await trustee.find(put.handle)
  const trustees = put.trustees?.keys ?? present?.trustees?.clients
  return await findReaders(trustee, client, put.policy ?? present?.policy, trustees)
}

/**
 * Content sealed for this client, `readers` and the organisation's recovery recipient.
 * @throws ERR_INTEGRITY for readers that are not pinned.
 */
export async function sealAsClient(
  content: Uint8Array,
  { settings, keys }: LocalClient,
  o: { readonly handle: string; readonly readers?: readonly Peer[] },
): Promise<Buffer> {
  const { peers = [], recovery } = settings
  return await sealForReaders(content, {
    organisation: settings.organisation,
    handle: parseHandle(o.handle),
    writer: keys.identityKey,
    recipients: [
      await keys.recipient(),
      ...recipientsOf(o.readers ?? [], peers),
      ...(recovery === undefined ? [] : [recovery]),
    ],
    owner: keys.ageIdentity,
    writtenAt: new Date(),
  })
}

/** Identities and writers beside this client's own: for content left behind by a lost key. */
export interface OpeningAid {
  /** age identities (secret). */
  readonly identities?: readonly string[]
  /** Identity keys (SPKI, base64). */
  readonly writers?: readonly string[]
}

/** What was retrieved, opened and checked. @throws ERR_INTEGRITY */
export async function openAsClient(
  { deposit, content }: Retrieved,
  { settings, keys }: LocalClient,
  aid: OpeningAid = {},
): Promise<Buffer> {
  if (!isAgeFile(content))
    throw new DomainError('ERR_INTEGRITY', 'the content was not sealed by a client', {
      hints: ['--no-seal returns it as it is: nothing then proves who wrote it'],
    })
  const order = {
    organisation: settings.organisation,
    handle: parseHandle(deposit.handle),
    identities: [keys.ageIdentity, ...(aid.identities ?? [])],
    writers: [
      formatWriterKey(keys.identityKey),
      ...(settings.writers ?? []),
      ...(aid.writers ?? []),
    ],
  }
  return (await openAsReader(content, order)).content
}
