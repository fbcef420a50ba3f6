/** How commands reach the running service: signed requests to its management listener. */
import type { Transport } from '@keyhsm/client'
import { daemonState } from '@keyhsm/service'
import { readLocalAdministrator } from '../local-administrator.js'
import type { Paths } from '../paths.js'
import { findManagementDoor } from '../service/management.js'

/** Whether the service of this home runs. */
export function isRunning(paths: Pick<Paths, 'pidFile'>): boolean {
  return daemonState(paths.pidFile).running
}

/** Lends a connection to the running service. @throws ERR_UNAVAILABLE when it does not answer. */
export async function withService<Result>(
  paths: Paths,
  use: (service: Transport) => Promise<Result>,
): Promise<Result> {
  const signer = await readLocalAdministrator(paths.admin)
  // The service itself never needs the client's libraries: they are loaded by the commands that do.
  const client = await import('@keyhsm/client')
  const door = await findManagementDoor(paths)
  const service = new client.Transport({ ...door, signer, connections: 1 })
  try {
    return await use(service)
  } finally {
    await service.close()
  }
}
