import { access } from 'node:fs/promises'
import type { PostgresAddress } from '../store/postgres/address.js'
import { askServer } from '../store/postgres/administer.js'
import { clusterMajor } from './binaries.js'
import {
  type ClusterLayout,
  clusterLayout,
  clusterPort,
  databaseName,
  readMarker,
  serviceRole,
} from './layout.js'
import { clusterOwner } from './owner.js'
import { findPostmaster } from './postmaster.js'

export interface ClusterStatus {
  /** `absent`: no finished cluster in the directory. `starting`: a server is there and does not serve yet. */
  readonly state: 'absent' | 'stopped' | 'starting' | 'running' | 'stopping'
  readonly pid?: number
  /** Major version of PostgreSQL that made it. */
  readonly version?: string
  readonly socketDirectory?: string
  /** In the socket's name. */
  readonly port?: number
  /** True while an operator's stop holds: nobody starts it by itself. */
  readonly stoppedByOperator: boolean
}

export interface ClusterSocket {
  readonly socketDirectory: string
  readonly port: number
}

export interface ClusterAddresses {
  /** The owner: a superuser of this cluster, for the schema only. */
  readonly administrator: PostgresAddress
  /** What the Trustee Server works with. */
  readonly service: PostgresAddress
}

/** State of the private cluster, asked of the processes and the socket. @throws ERR_SETTINGS as root */
export async function clusterStatus({
  directory,
}: {
  readonly directory: string
}): Promise<ClusterStatus> {
  const layout = clusterLayout(directory)
  const stoppedByOperator = await exists(layout.stopped)
  const marker = await readMarker(layout)
  if (!marker || !(await exists(layout.data))) return { state: 'absent', stoppedByOperator }
  const version = clusterMajor(layout.data)
  const postmaster = await findPostmaster(layout.data)
  if (!postmaster) return { state: 'stopped', version, stoppedByOperator }
  const { pid, status, socketDirectory, port = clusterPort } = postmaster
  const known = { pid, version, port, stoppedByOperator }
  if (status === 'stopping') return { state: 'stopping', ...known }
  // Only who says that it is ready is asked: knocking earlier fills its log with refusals.
  if (socketDirectory === undefined || !isServing(status)) return { state: 'starting', ...known }
  const { administrator } = clusterAddresses({ socketDirectory, port }, 'postgres')
  const state = (await askServer(administrator)) === 'ready' ? 'running' : 'starting'
  return { state, socketDirectory, ...known }
}

function isServing(status: string | undefined): boolean {
  return status === 'ready' || status === 'standby'
}

/** How to reach the cluster through its socket. */
export function clusterAddresses(
  { socketDirectory: host, port }: ClusterSocket,
  database: string = databaseName,
): ClusterAddresses {
  const place = { host, port, database }
  return {
    administrator: { ...place, user: clusterOwner() },
    service: { ...place, user: serviceRole },
  }
}

/** True when an operator stopped it, or nobody made it: the two cases in which nobody must start it. */
export async function isWantedStopped(layout: ClusterLayout): Promise<boolean> {
  return (await exists(layout.stopped)) || !(await exists(layout.data))
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
