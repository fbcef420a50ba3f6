/** The SDK's front door: a registered client in one call, sealing and opening included. */
import type { Clock } from '@keyhsm/core'
import { type LocalClient, readLocalClient } from './identity/client-folder.js'
import { renewWhenDue } from './identity/renew-when-due.js'
import { RenewingCalls } from './identity/renewing-calls.js'
import {
  type OpeningAid,
  findReadersOfPut,
  openAsClient,
  sealAsClient,
} from './sealing/as-client.js'
import { type Deposit, type PutRequest, TrusteeClient } from './trustee-client.js'

export interface PutOptions extends Omit<PutRequest, 'handle' | 'content'> {}

/**
 * A registered client with its connection. Content is sealed on this machine before it leaves. Its certificate is renewed when
 * that is due, however long the program runs.
 */
export interface ConnectedClient {
  /** As it is shown now. */
  readonly local: LocalClient
  /** Everything else the server offers. */
  readonly trustee: TrusteeClient
  /**
   * Seals for this client and the readers that `policy` names, without one for those whom the deposit has already, then
   * deposits.
   */
  put(handle: string, content: Uint8Array, options?: PutOptions): Promise<Deposit>
  /** Retrieves, opens and checks; `ref` is a handle or a uuid. @throws ERR_INTEGRITY */
  get(ref: string, aid?: OpeningAid & { readonly request?: string }): Promise<Buffer>
  close(): Promise<void>
}

/**
 * Connects as the client that `keytrustee register` left in `folder`.
 * @throws ERR_SETTINGS when nothing is registered there.
 * @example
 * const client = await connectTrustee(`${homedir()}/.keytrustee/client`)
 * await client.put('database-password', Buffer.from('secret'))
 * const content = await client.get('database-password')
 * await client.close()
 */
export async function connectTrustee(
  folder: string,
  o: { readonly clock?: Clock } = {},
): Promise<ConnectedClient> {
  const registered = await renewWhenDue(folder, await readLocalClient(folder), o.clock?.now())
  const calls = new RenewingCalls(folder, registered, o.clock)
  const trustee = new TrusteeClient(calls)
  return {
    get local() {
      return calls.client
    },
    trustee,
    async put(handle, content, options = {}) {
      const local = calls.client
      const readers = await findReadersOfPut(trustee, local, { handle, ...options })
      const sealed = await sealAsClient(content, local, { handle, readers })
      return await trustee.put({ ...options, handle, content: sealed })
    },
    async get(ref, { request, ...aid } = {}) {
      return await openAsClient(await trustee.get(ref, request), calls.client, aid)
    },
    close: () => trustee.close(),
  }
}
