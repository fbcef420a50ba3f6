/** The vault in use: deposits of this KMS's client on the Trustee Server, sealed and signed here before they leave. */
import {
  formatWriterKey,
  type LocalClient,
  openAsReader,
  sealForReaders,
  type TrusteeClient,
} from '@keyhsm/client'
import { DomainError, hasCode, parseHandle, reached } from '@keyhsm/core'
import type { Vault, VaultEntry, VaultPurge, VaultPut } from './vault.js'

/** A batch of the Trustee Server holds at most this many. */
const maxBatch = 100

type Trustee = Pick<TrusteeClient, 'find' | 'list' | 'get' | 'putBatch' | 'purge'>

export function trusteeVault(
  client: Pick<LocalClient, 'settings' | 'keys'>,
  trustee: Trustee,
): Vault {
  const { settings, keys } = client
  const { organisation } = settings
  // Only what this client wrote is believed; other writers of the client's settings are for people's deposits.
  const writers = [formatWriterKey(keys.identityKey)]

  async function sealed({ handle, content, scope, over }: VaultPut) {
    try {
      const recovery = settings.recovery === undefined ? [] : [settings.recovery]
      const recipients = [await keys.recipient(), ...recovery]
      const order = { writer: keys.identityKey, recipients, owner: keys.ageIdentity }
      const bytes = await sealForReaders(content, {
        organisation,
        handle,
        ...order,
        writtenAt: new Date(),
      })
      const condition = over === 'absent' ? over : { revision: over }
      return {
        handle,
        content: bytes,
        condition,
        ...(scope === 'service' ? { scope } : {}),
      } as const
    } finally {
      content.fill(0)
    }
  }

  return {
    list: (prefix) => listFrom(trustee, prefix, (handle) => handle.startsWith(prefix)),
    async find(handle) {
      const found = await trustee.find(handle)
      return found?.state === 'active' ? { handle, revision: found.revision } : undefined
    },
    async read(handle) {
      const { deposit, revision, content } = await trustee.get(handle)
      if (deposit.handle !== handle)
        throw new DomainError('ERR_INTEGRITY', 'the Trustee Server answered with another deposit')
      const order = { organisation, handle, identities: [keys.ageIdentity], writers }
      return { revision, content: (await openAsReader(content, order)).content }
    },
    async write(puts, removes = []) {
      if (puts.length + removes.length > maxBatch)
        throw new DomainError('ERR_TOO_LARGE', `at most ${maxBatch} deposits change at once`)
      const ready = await Promise.all(puts.map(sealed))
      reached('key:sealed')
      await trustee.putBatch(ready, removes)
      reached('key:written')
    },
    purge: (handle) => purgeAt(trustee, handle),
  }
}

async function purgeAt(trustee: Trustee, handle: string): Promise<VaultPurge> {
  try {
    const { deposit, sharedRevisions: shared } = await trustee.purge(handle)
    return { pending: deposit.state === 'purging', shared }
  } catch (error) {
    if (hasCode(error, 'ERR_NOT_FOUND')) return { pending: false, shared: 0 }
    throw error
  }
}

/** Active entries after `after` while `wanted` holds. */
async function listFrom(
  trustee: Trustee,
  after: string,
  wanted: (handle: string) => boolean,
): Promise<VaultEntry[]> {
  const entries: VaultEntry[] = []
  for await (const { handle, revision, state } of trustee.list(1000, parseHandle(after))) {
    if (!wanted(handle)) break
    if (state === 'active') entries.push({ handle, revision })
  }
  return entries
}

/** Somebody else wrote first: look again and decide anew. */
export function isLostRace(error: unknown): boolean {
  return hasCode(error, 'ERR_ALREADY_EXISTS') || hasCode(error, 'ERR_CONFLICT')
}
