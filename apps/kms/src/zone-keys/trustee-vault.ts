/** The vault in use: deposits of this KMS's client on the Trustee Server, sealed and signed here before they leave. */
import {
  formatWriterKey,
  type LocalClient,
  openAsReader,
  sealForReaders,
  type TrusteeClient,
} from '@keyhsm/client'
import { DomainError, hasCode, parseHandle } from '@keyhsm/core'
import type { Vault, VaultEntry, VaultPut } from './vault.js'

/** A batch of the Trustee Server holds at most this many. */
const maxBatch = 100

type Trustee = Pick<TrusteeClient, 'list' | 'get' | 'putBatch'>

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
      const order = { writer: keys.identityKey, recipients: [await keys.recipient()] }
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
      // Listing asks neither the HSM nor leaves a refusal in the audit for what is not there.
      const just = await listFrom(trustee, handle.slice(0, -1), (found) => found <= handle, 1)
      return just.find((entry) => entry.handle === handle)
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
      await trustee.putBatch(await Promise.all(puts.map(sealed)), removes)
    },
  }
}

/** Active entries after `after` while `wanted` holds. */
async function listFrom(
  trustee: Trustee,
  after: string,
  wanted: (handle: string) => boolean,
  pageSize = 1000,
): Promise<VaultEntry[]> {
  const entries: VaultEntry[] = []
  for await (const { handle, revision, state } of trustee.list(pageSize, parseHandle(after))) {
    if (!wanted(handle)) break
    if (state === 'active') entries.push({ handle, revision })
  }
  return entries
}

/** Somebody else wrote first: look again and decide anew. */
export function isLostRace(error: unknown): boolean {
  return hasCode(error, 'ERR_ALREADY_EXISTS') || hasCode(error, 'ERR_CONFLICT')
}
