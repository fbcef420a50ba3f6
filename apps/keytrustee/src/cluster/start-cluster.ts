import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { makeDatabase } from '../store/postgres/administer.js'
import { installSchema } from '../store/postgres/install-schema.js'
import { clusterMajor, findBinaries } from './binaries.js'
import {
  type ClusterAddresses,
  type ClusterSocket,
  type ClusterStatus,
  clusterAddresses,
  clusterStatus,
} from './cluster-status.js'
import { writeSocketDirectory } from './configuration.js'
import { cleanEnvironment } from './environment.js'
import { undoHalfExchange } from './exchange-data.js'
import {
  type ClusterLayout,
  clusterLayout,
  databaseName,
  readMarker,
  serviceRole,
  writeMarker,
} from './layout.js'
import { clusterOwner } from './owner.js'
import { findImpostor, findLeftovers, findPostmaster } from './postmaster.js'
import { stopCluster } from './stop-cluster.js'
import { prepareSocketDirectory, socketPath } from './socket-directory.js'
import { openStartupLog } from './startup-log.js'
import { waitFor } from './wait.js'

export interface StartOptions {
  readonly directory: string
  readonly binaries?: string
  /** How long to wait for it to serve; crash recovery may take a while. Default 60 s. */
  readonly timeoutMs?: number
  /** Default: brought up to date. */
  readonly schema?: 'as it is'
}

export interface RunningCluster extends ClusterAddresses {
  readonly pid: number
  /** It was running already, perhaps as the orphan of a process that crashed. */
  readonly adopted: boolean
}

const defaultTimeoutMs = 60_000
/** Backends that outlive a killed postmaster notice it within a second or so. */
const leftoversTimeoutMs = 10_000

/**
 * Starts the private cluster, or adopts it when it runs, and brings its schema up to date. The server gets a process
 * group of its own and outlives the caller.
 *
 * @throws ERR_SETTINGS as root, or when there is no cluster or no PostgreSQL of its version; ERR_STORE_UNAVAILABLE when
 *   it does not come up in time
 */
export async function startCluster(options: StartOptions): Promise<RunningCluster> {
  clusterOwner()
  const layout = clusterLayout(options.directory)
  await undoHalfExchange(layout)
  const before = await statusAfterShutdown(options)
  if (before.state === 'absent')
    throw new DomainError('ERR_SETTINGS', `there is no database in ${options.directory}`, {
      hints: [
        'of a new server, make it with: ktadmin db bootstrap',
        'if its files are lost: ktadmin restore (docs/operations/outage.md, 5)',
      ],
    })
  await rm(layout.stopped, { force: true })
  const server = before.state === 'stopped' ? await launch(layout, options.binaries) : notOurs
  const running = await waitUntilServing(layout, server, options.timeoutMs ?? defaultTimeoutMs)
  if (options.schema !== 'as it is')
    await completeDatabase(running).catch(async (error: unknown) => {
      // Refused, for example a schema that is newer than this program: nothing is left running that did not run before.
      if (before.state === 'stopped') await stopCluster(options).catch(() => undefined)
      throw error
    })
  const addresses = clusterAddresses(running)
  return { pid: running.pid, adopted: before.state !== 'stopped', ...addresses }
}

/** A server on its way down is neither adopted nor disturbed. */
async function statusAfterShutdown(options: StartOptions): Promise<ClusterStatus> {
  const settled = await waitFor(options.timeoutMs ?? defaultTimeoutMs, async () => {
    const status = await clusterStatus(options)
    return status.state === 'stopping' ? undefined : status
  })
  return settled ?? clusterStatus(options)
}

async function launch(layout: ClusterLayout, binaries: string | undefined): Promise<Launched> {
  const major = clusterMajor(layout.data)
  const programs = findBinaries({ major, ...(binaries === undefined ? {} : { binaries }) })
  await waitForLeftovers(layout)
  const marker = (await readMarker(layout)) ?? { format: 1, madeBy: 'keytrustee' }
  const socketDirectory = await prepareSocketDirectory(layout, marker)
  await removeStaleLocks(layout, socketDirectory)
  await writeSocketDirectory(layout.data, socketDirectory)
  await writeMarker(layout, { ...marker, socketDirectory })
  await mkdir(layout.log, { recursive: true, mode: 0o700 })
  return spawnPostgres(layout, programs)
}

/** What a killed server leaves behind are backends on their way out. */
async function waitForLeftovers(layout: ClusterLayout): Promise<void> {
  const gone = await waitFor(leftoversTimeoutMs, async () => {
    const leftovers = await findLeftovers(layout.data)
    return leftovers.length === 0 || (await findPostmaster(layout.data)) ? true : undefined
  })
  if (!gone)
    throw new DomainError('ERR_STORE_UNAVAILABLE', 'processes of the crashed database do not end', {
      hints: ['end the processes named postgres that work in its data directory'],
    })
}

/** Lock files of a dead server, when their pid is another process's by now. With a free pid PostgreSQL sees it itself. */
async function removeStaleLocks(layout: ClusterLayout, socketDirectory: string): Promise<void> {
  if ((await findImpostor(layout.data)) === undefined) return
  const socket = socketPath(socketDirectory)
  for (const file of [join(layout.data, 'postmaster.pid'), socket, `${socket}.lock`])
    await rm(file, { force: true })
}

function spawnPostgres(layout: ClusterLayout, programs: string): Launched {
  let ended = false
  const end = () => {
    ended = true
  }
  const log = openStartupLog(layout)
  try {
    const server = spawn(join(programs, 'postgres'), ['-D', layout.data], {
      cwd: layout.directory,
      env: cleanEnvironment(),
      // A session of its own: neither Ctrl-C nor the end of this process reaches it.
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    })
    server.on('error', end)
    server.on('exit', end)
    server.unref()
    return { hasEnded: () => ended, lastWords: () => log.lastWords() }
  } finally {
    closeSync(log.fd)
  }
}

interface Launched {
  hasEnded(): boolean
  /** Why, when it says so. */
  lastWords(): string | undefined
}

/** A server that somebody else started. */
const notOurs: Launched = { hasEnded: () => true, lastWords: () => undefined }

interface Serving extends ClusterSocket {
  readonly pid: number
}

async function waitUntilServing(
  layout: ClusterLayout,
  server: Launched,
  timeoutMs: number,
): Promise<Serving> {
  const found = await waitFor(timeoutMs, async () => {
    // Asked before the status: a second starter's server may serve although ours gave way to it.
    const ended = server.hasEnded()
    const status = await clusterStatus(layout)
    const serving = toServing(status)
    if (serving || !ended || status.state !== 'stopped') return serving
    // The one that ours gave way to makes its pid file before it writes its pid into it.
    return (await findLeftovers(layout.data)).length === 0 ? ('ended' as const) : undefined
  })
  if (found !== undefined && found !== 'ended') return found
  const words = found === 'ended' ? 'did not start' : 'does not serve yet'
  const said = server.lastWords()
  throw new DomainError('ERR_STORE_UNAVAILABLE', `the private database ${words}`, {
    hints: [
      ...(said === undefined ? [] : [`PostgreSQL said: ${said}`]),
      `see the files in ${layout.log}`,
    ],
  })
}

function toServing({ state, pid, socketDirectory, port }: ClusterStatus): Serving | undefined {
  if (state !== 'running' || pid === undefined) return undefined
  if (socketDirectory === undefined || port === undefined) return undefined
  return { pid, socketDirectory, port }
}

async function completeDatabase(socket: ClusterSocket): Promise<void> {
  const { administrator } = clusterAddresses(socket, 'postgres')
  await makeDatabase(administrator, databaseName, serviceRole)
  await installSchema({ address: clusterAddresses(socket).administrator, serviceRole })
}
