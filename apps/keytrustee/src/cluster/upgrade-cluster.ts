/**
 * Moves the private cluster to another major version of PostgreSQL by pg_upgrade. The present data is only read: whatever
 * fails, it is still there and runs with the old version.
 */
import { execFile } from 'node:child_process'
import { cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DomainError } from '@keyhsm/core'
import { gatherStatistics } from '../store/postgres/administer.js'
import { makeDraft, removeUnfinished } from './drafts.js'
import { cleanEnvironment } from './environment.js'
import { exchangeData, undoHalfExchange } from './exchange-data.js'
import { initialiseData, lastLine } from './initialise-data.js'
import { type ClusterLayout, clusterLayout, readMarker } from './layout.js'
import { clusterOwner } from './owner.js'
import { planUpgrade, type UpgradeOptions, type UpgradePlan } from './plan-upgrade.js'
import { prepareSocketDirectory } from './socket-directory.js'
import { startCluster } from './start-cluster.js'
import { stopCluster } from './stop-cluster.js'

/** Written by ourselves for each cluster. */
const ownSettings = new Set(['10-keytrustee.conf', '20-socket.conf'])

/**
 * Leaves the cluster stopped. Nobody may be using it.
 * @throws as {@link planUpgrade}; ERR_SETTINGS with the last words of initdb or pg_upgrade; ERR_STORE_UNAVAILABLE
 */
export async function upgradeCluster(
  options: UpgradeOptions & { readonly onStep?: (step: string) => void },
): Promise<UpgradePlan> {
  const owner = clusterOwner()
  const { directory, onStep = () => undefined } = options
  const layout = clusterLayout(directory)
  await undoHalfExchange(layout)
  await removeUnfinished(layout)
  const plan = await planUpgrade(options)
  const [stop, make, check, copy, exchange, prove] = plan.steps
  onStep(stop ?? '')
  await stopCleanly(directory)
  const draft = await makeDraft(layout)
  try {
    onStep(make ?? '')
    await initialiseData(draft, { binaries: plan.newBinaries, owner, log: layout.log })
    const run = (...more: string[]) => runUpgrade({ layout, plan, draft, owner }, more)
    onStep(check ?? '')
    await run('--check')
    onStep(copy ?? '')
    await run()
    await copySettings(layout.data, draft)
    onStep(exchange ?? '')
    await exchangeData(layout, draft, plan.from)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  onStep(prove ?? '')
  const { administrator } = await startCluster({ directory })
  await gatherStatistics(administrator)
  await stopCluster({ directory })
  return plan
}

/** pg_upgrade refuses what a crash left; a start recovers it. */
async function stopCleanly(directory: string): Promise<void> {
  await startCluster({ directory, schema: 'as it is' })
  await stopCluster({ directory })
}

interface Upgrading {
  readonly layout: ClusterLayout
  readonly plan: UpgradePlan
  readonly draft: string
  readonly owner: string
}

/** @see PostgreSQL 15 manual, pg_upgrade */
async function runUpgrade(
  { layout, plan, draft, owner }: Upgrading,
  more: readonly string[],
): Promise<void> {
  const marker = (await readMarker(layout)) ?? { format: 1, madeBy: 'keytrustee' }
  const options = {
    'old-bindir': plan.oldBinaries,
    'new-bindir': plan.newBinaries,
    'old-datadir': layout.data,
    'new-datadir': draft,
    socketdir: await prepareSocketDirectory(layout, marker),
    username: owner,
  }
  const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
  await promisify(execFile)(join(plan.newBinaries, 'pg_upgrade'), [...args, ...more], {
    cwd: draft,
    env: cleanEnvironment(),
    maxBuffer: 16 * 1024 * 1024,
  }).catch((error: unknown) => {
    const { stdout = '' } = error as { readonly stdout?: string }
    throw new DomainError('ERR_SETTINGS', `pg_upgrade failed: ${wordsOf(stdout, error)}`, {
      cause: error,
      hints: ['nothing was changed: the database runs with the old version as before'],
    })
  })
}

/** Its complaints go to standard output. */
function wordsOf(stdout: string, error: unknown): string {
  const lines = stdout.split('\n').filter((line) => /fatal|error|failure|not /i.test(line))
  return lines.at(-1)?.trim() ?? lastLine(error)
}

/** An operator's own. */
async function copySettings(from: string, to: string): Promise<void> {
  for (const name of await readdir(join(from, 'conf.d')))
    if (!ownSettings.has(name)) await cp(join(from, 'conf.d', name), join(to, 'conf.d', name))
}
