/** Lends the zone keys to a command: no service need run. */
import type { TrusteeClient } from '@keyhsm/client'
import { newUuid, systemClock } from '@keyhsm/core'
import type { Paths } from '../paths.js'
import { KeyDirectory } from '../zone-keys/key-directory.js'
import type { KeyStore } from '../zone-keys/key-store.js'
import { Repetitions } from '../zone-keys/repetition.js'
import { VersionCache } from '../zone-keys/version-cache.js'
import { connectTrustee } from './connect-trustee.js'

/** Nothing is remembered: a command sees what is there now. @throws ERR_SETTINGS; the codes of being unable to ask. */
export async function withKeyStore<Result>(
  paths: Paths,
  use: (store: KeyStore, trustee: TrusteeClient) => Promise<Result>,
): Promise<Result> {
  const connection = await connectTrustee(paths.client)
  const { vault } = connection
  const clock = systemClock
  const versions = new VersionCache(vault, clock, () => ({ maxAgeMs: 0, maxUses: 1 }))
  try {
    const directory = new KeyDirectory(vault, clock, () => 0)
    const repetitions = new Repetitions(newUuid(), () => 0)
    return await use({ vault, clock, versions, directory, repetitions }, connection.trustee)
  } finally {
    versions.close()
    await connection.close()
  }
}
