// Keeps one private cluster for one test run: node postgres-keeper.mjs DIRECTORY RUN-PID CALLER
// Writes DIRECTORY/ready.json or failed.json, waits until the run's process is gone, stops the cluster, removes DIRECTORY.
import { appendFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const [directory, runPid, caller] = process.argv.slice(2)
const { bootstrapCluster, stopCluster } = await import(
  new URL('../../dist/cluster/index.js', import.meta.url).href
)
const db = join(directory, 'db')

async function say(name, content) {
  await writeFile(join(directory, `${name}.tmp`), JSON.stringify(content))
  await rename(join(directory, `${name}.tmp`), join(directory, name))
}

function runs(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

try {
  const cluster = await bootstrapCluster({ directory: db })
  const { administrator, service } = cluster
  // The test process may be another user than the cluster's: it is let in here, and only here.
  const lines = [administrator.user, service.user].map(
    (role) => `keytrustee "${caller}" "${role}"\n`,
  )
  await appendFile(join(db, 'data', 'pg_ident.conf'), lines.join(''))
  process.kill(cluster.pid, 'SIGHUP')
  await say('ready.json', { administrator, service, pid: cluster.pid, directory: db })
  while (runs(Number(runPid))) await pause(200)
} catch (error) {
  await say('failed.json', { message: String(error?.stack ?? error) })
  await pause(5_000)
} finally {
  await stopCluster({ directory: db }).catch(() => undefined)
  await rm(directory, { recursive: true, force: true })
}
