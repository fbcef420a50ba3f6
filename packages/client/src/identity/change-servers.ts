/** A registered client learns the other servers of its installation. */
import { DomainError } from '@keyhsm/core'
import { Transport } from '../transport/transport.js'
import { noRetry } from '../retry.js'
import { TrusteeClient } from '../trustee-client.js'
import { type LocalClient, readLocalClient, writeLocalClient } from './client-folder.js'
import type { ClientSettings } from './client-settings.js'

export interface ServersWish {
  /** In the order in which they are asked. */
  readonly servers: readonly string[]
  /** PEM to pin them by, decided before anything is sent. */
  readonly recognise: (urls: readonly string[]) => Promise<string>
}

/**
 * Replaces the servers of the client in `folder`, once each of them knows this very client.
 * @throws ERR_CONFLICT for a server of another installation: nothing is changed; what recognising and asking throw
 */
export async function changeServers(folder: string, wish: ServersWish): Promise<ClientSettings> {
  const local = await readLocalClient(folder)
  const serverCertificates = await wish.recognise(wish.servers)
  for (const server of wish.servers) await requireSame(local, server, serverCertificates)
  const settings = { ...local.settings, server: wish.servers.join(','), serverCertificates }
  await writeLocalClient(folder, settings)
  return settings
}

async function requireSame(local: LocalClient, url: string, pins: string): Promise<void> {
  const transport = new Transport({ url, tls: { ...local.tls, ca: [pins] } })
  try {
    const { client } = await new TrusteeClient(transport, noRetry).self()
    if (client === local.settings.client) return
  } finally {
    await transport.destroy()
  }
  throw new DomainError('ERR_CONFLICT', `${url} knows this client as another: nothing was changed`)
}
