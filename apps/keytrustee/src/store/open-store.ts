import { startCluster } from '../cluster/start-cluster.js'
import type { PostgresAddress } from './postgres/address.js'
import { installSchema } from './postgres/install-schema.js'
import { openPostgresStore, type PostgresStoreOptions } from './postgres/postgres-store.js'
import type { Store } from './store.js'

export type StorePlace =
  /** The private cluster in this directory; started, or adopted, first. */
  | { readonly directory: string; readonly binaries?: string }
  /** A database that somebody else runs; `owner` may install the schema, if it is another role. */
  | { readonly address: PostgresAddress; readonly owner?: PostgresAddress }

/**
 * Opens the Trustee Server's store, its schema brought up to date.
 *
 * @throws ERR_SETTINGS, ERR_STORE_UNAVAILABLE
 */
export async function openStore(
  place: StorePlace,
  options: Omit<PostgresStoreOptions, 'address' | 'cluster'> = {},
): Promise<Store> {
  if ('directory' in place) {
    const { service } = await startCluster(place)
    return openPostgresStore({ ...options, address: service, cluster: 'private' })
  }
  const { address, owner } = place
  await installSchema(owner ? { address: owner, serviceRole: address.user } : { address })
  return openPostgresStore({ ...options, address, cluster: 'external' })
}
