/** A registered client of a stack in this process, without starting a program for each request. */
import { noRetry, readLocalClient, Transport, TrusteeClient } from '@keyhsm/client'
import { join } from 'node:path'

/** No retry: the tests want to see each answer. The caller closes `transport`. */
export async function openTrustee(stack, { retry = noRetry, connections = 8 } = {}) {
  const client = await readLocalClient(join(stack.home, 'client'))
  const transport = new Transport({ url: client.settings.server, tls: client.tls, connections })
  return { transport, trustee: new TrusteeClient(transport, retry), client }
}
