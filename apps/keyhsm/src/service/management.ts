/**
 * The one door for administrators: a plain HTTP listener on 127.0.0.1 (`keyhsm.management.port`), or, where the port is 0,
 * a socket in a directory that only the service's user enters. Every request is signed. Commands learn which door is open
 * from a file in `run/`, not from the settings: those may have been changed, or broken, since the service started.
 */
import { rm } from 'node:fs/promises'
import { DomainError, hasCode } from '@keyhsm/core'
import { type HttpServer, type PreparedHttpServer, writeFileAtomically } from '@keyhsm/service'
import { readTextIfThere } from '../files.js'
import type { Paths } from '../paths.js'

/** Nobody else's machine: there is no setting that opens this port to a network. */
const managementHost = '127.0.0.1'

/** Where to ask: a port of this machine, or the control socket. */
export type ManagementDoor = { readonly loopbackPort: number } | { readonly socketPath: string }

type DoorPaths = Pick<Paths, 'socket' | 'management'>

/** @throws ERR_UNAVAILABLE when another program has the port. */
export async function openManagement(
  paths: DoorPaths,
  port: number,
  prepared: PreparedHttpServer,
): Promise<HttpServer> {
  const listen = port === 0 ? { socketPath: paths.socket } : { host: managementHost, port }
  await rm(paths.management, { force: true })
  const server = await prepared.listen(listen).catch(explain)
  if ('port' in server.address) {
    await writeFileAtomically(paths.management, `${server.address.port}\n`, 0o600)
  }
  return {
    ...server,
    async close() {
      await rm(paths.management, { force: true })
      await server.close()
    },
  }
}

function explain(error: unknown): never {
  if (!hasCode(error, 'ERR_UNAVAILABLE')) throw error
  const hints = ['set keyhsm.management.port to a free port, or to 0 for a control socket']
  throw new DomainError('ERR_UNAVAILABLE', error.message, { cause: error.cause, hints })
}

/** The door of the service that runs here. */
export async function findManagementDoor(paths: DoorPaths): Promise<ManagementDoor> {
  const text = (await readTextIfThere(paths.management))?.trim() ?? ''
  return /^[1-9]\d{0,4}$/.test(text) ? { loopbackPort: Number(text) } : { socketPath: paths.socket }
}

/** The door in words, as `status` shows it. */
export function describeDoor({ address }: Pick<HttpServer, 'address'>): string {
  return 'port' in address ? `${address.host}:${address.port}` : address.socketPath
}
