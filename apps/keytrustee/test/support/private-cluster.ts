/** A private cluster of its own for tests that stop, kill or misconfigure it. */
import { appendFileSync, readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { PostgresAddress } from '../../src/store/postgres/address.js'
import { callCluster, type ClusterReply, makeClusterHome, removeDirectory } from './unprivileged.js'

export interface PrivateCluster {
  readonly home: string
  readonly directory: string
  readonly data: string
  readonly administrator: PostgresAddress
  readonly service: PostgresAddress
  start(): Promise<number>
  stop(): Promise<void>
  /** Pid of the postmaster as its file says now. */
  pid(): number
  /** Stops it and removes its home. */
  remove(): Promise<void>
}

/** Unwraps an answer. @throws with the error's words and hints */
export function valueOf<Value>(reply: ClusterReply<Value>): Value {
  if ('error' in reply)
    throw new Error(
      [`${reply.error.code}: ${reply.error.message}`, ...reply.error.hints].join('\n'),
    )
  return reply.value
}

/** Makes and starts one in a fresh home. */
export async function makePrivateCluster(): Promise<PrivateCluster> {
  const home = makeClusterHome()
  const directory = join(home, 'db')
  const data = join(directory, 'data')
  const { administrator, service, pid } = valueOf(
    await callCluster('bootstrapCluster', { directory }),
  )
  letIn(data, [administrator.user, service.user], pid)
  const stop = async () => {
    valueOf(await callCluster('stopCluster', { directory }))
  }
  return {
    home,
    directory,
    data,
    administrator,
    service,
    start: async () => valueOf(await callCluster('startCluster', { directory })).pid,
    stop,
    pid: () => Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]),
    remove: async () => {
      await stop()
      removeDirectory(home)
    },
  }
}

/** The tests may run as another user than the cluster's owner: only in this cluster is that one let in too. */
function letIn(data: string, roles: readonly string[], pid: number): void {
  const { username } = userInfo()
  const lines = roles.map((role) => `keytrustee "${username}" "${role}"\n`)
  appendFileSync(join(data, 'pg_ident.conf'), lines.join(''))
  process.kill(pid, 'SIGHUP')
}
