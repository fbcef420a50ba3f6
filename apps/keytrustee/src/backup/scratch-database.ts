/** A private cluster that lives as long as one drill, in a folder of its own below the server's. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  bootstrapCluster,
  clusterStatus,
  type RunningCluster,
  stopCluster,
} from '../cluster/index.js'

const prefix = 'drill-'

/**
 * Lends a running cluster and removes it, whatever becomes of the work. What a killed drill left behind is removed first.
 * @throws ERR_SETTINGS as root or without PostgreSQL; ERR_STORE_UNAVAILABLE; what `work` throws.
 */
export async function withScratchDatabase<Result>(
  root: string,
  work: (cluster: RunningCluster) => Promise<Result>,
): Promise<Result> {
  await removeLeftovers(root)
  const folder = await mkdtemp(join(root, `${prefix}${process.pid}-`))
  try {
    return await work(await bootstrapCluster({ directory: join(folder, 'db') }))
  } finally {
    await removeScratch(folder)
  }
}

async function removeLeftovers(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    const pid = /^drill-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !isRunning(Number(pid))) await removeScratch(join(root, name))
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function removeScratch(folder: string): Promise<void> {
  const directory = join(folder, 'db')
  const { socketDirectory } = await clusterStatus({ directory }).catch(() => ({
    socketDirectory: undefined,
  }))
  await stopCluster({ directory })
  // A long home needs its socket elsewhere; see cluster/socket-directory.ts.
  if (socketDirectory !== undefined && !socketDirectory.startsWith(folder))
    await rm(socketDirectory, { recursive: true, force: true })
  await rm(folder, { recursive: true, force: true })
}
