/**
 * `ktadmin restore`: a backup into an empty home, on whatever host. Rows and files first, then what took rights away since;
 * the settings come last, so that nothing starts from half a restore.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { AgeKey } from '@keyhsm/client'
import { DomainError, systemClock } from '@keyhsm/core'
import { type AuditHead, verifyAudit } from '@keyhsm/service'
import { invokingUser } from '../administrators.js'
import { bootstrapCluster, stopCluster } from '../cluster/index.js'
import { openRevocationLog } from '../deposits/revocation-log.js'
import { readPrivateText, readText } from '../files.js'
import { parseGrantKey } from '../grant-key.js'
import { initialise } from '../initialise.js'
import type { Paths } from '../paths.js'
import { readSettings, settingsFileName } from '../settings.js'
import { openPostgresStore } from '../store/postgres/postgres-store.js'
import type { PostgresAddress } from '../store/postgres/address.js'
import {
  type Applied,
  applySince,
  holdAll,
  type Restoring,
  withdrawRequests,
} from './apply-replay.js'
import {
  changeSettings,
  type ConfigurationFile,
  type SettingChanges,
  writeConfigurationFile,
} from './configuration-files.js'
import { damagedBackup } from './frames.js'
import { type Held, type Holds, openHolds, writeHolds } from './holds.js'
import { loadBackup } from './load-backup.js'
import { type ReadBackup, readManifest } from './read-backup.js'
import { openRecorderIn, recorded } from './recorder.js'
import { type LostRevision, readSince, type Since } from './replay.js'
import { hashFile, interrupted } from './write-backup.js'

export interface RestoreWish {
  readonly paths: Paths
  readonly file: string
  readonly key: AgeKey
  /** The file must have this hash. */
  readonly sha256: string | undefined
  /** Folder of the lost host's audit. */
  readonly audit: string | undefined
  /** PEM to verify it with; absent: `audit.pub` of the backup. */
  readonly auditPublicKey: string | undefined
  /** Settings that are others on this host. */
  readonly settings: SettingChanges
  readonly signal: AbortSignal
  readonly onProgress: (line: string) => void
}

export interface RestoreReport {
  readonly madeAt: string
  readonly rows: number
  readonly sha256: string
  /** How many servers had written to the database. */
  readonly servers: number
  /** Absent without an audit. */
  readonly replayed: Applied | undefined
  /** Stored after the backup, by the audit: not in it. */
  readonly lost: readonly LostRevision[]
  /** Revoked after the backup: to be revoked again where the HSM itself was restored. */
  readonly revokedKeys: readonly string[]
  readonly held: { readonly clients: number; readonly deposits: number }
  readonly requestsWithdrawn: number
}

const unfinished = 'restore-unfinished'

/**
 * @throws ERR_ALREADY_EXISTS for a home that is not empty; ERR_INTEGRITY for another hash, a damaged backup, an audit that is
 * not whole; what loading throws. The home is empty again then.
 */
export async function restore(wish: RestoreWish): Promise<RestoreReport> {
  const { paths } = wish
  const sha256 = await requireFile(wish)
  await claimHome(paths)
  try {
    const { administrator, service } = await bootstrapCluster({ directory: paths.database })
    const files: ConfigurationFile[] = []
    const { folder } = await readManifest(wish.file, wish.key)
    const moved = (file: ConfigurationFile) => withFolder(file, folder, paths.root)
    const read = await loadBackup({
      ...wish,
      address: administrator,
      serviceRole: service.user,
      async onFile(file) {
        if (file.name === settingsFileName || file.setting !== undefined) files.push(file)
        if (file.name === 'conf/logback.xml') await writeConfigurationFile(paths.root, moved(file))
        else if (file.name !== settingsFileName) await writeConfigurationFile(paths.root, file)
      },
    })
    const since = await readAudit(wish, read.manifest.auditHead)
    await writeSettings(wish, files)
    const report = await finish(wish, { read, since, sha256, address: service })
    await stopCluster({ directory: paths.database })
    await rm(join(paths.root, unfinished))
    return report
  } catch (error) {
    await emptyHome(paths)
    throw wish.signal.aborted ? interrupted() : error
  }
}

async function requireFile({ file, sha256 }: RestoreWish): Promise<string> {
  const found = await hashFile(file).catch(() => {
    throw new DomainError('ERR_NOT_FOUND', 'the backup cannot be read')
  })
  if (sha256 === undefined || sha256.toLowerCase() === found) return found
  throw new DomainError('ERR_INTEGRITY', 'the backup has another SHA-256 than was asked for')
}

/** The log's folder was written down with its full path. */
function withFolder(file: ConfigurationFile, from: string, to: string): ConfigurationFile {
  const text = file.content.toString('utf8').replaceAll(`${from}/`, `${to}/`)
  return { ...file, content: Buffer.from(text) }
}

/** What a killed restore left is removed; anything else is somebody's. */
async function claimHome(paths: Paths): Promise<void> {
  await mkdir(paths.root, { recursive: true, mode: 0o700 })
  const names = await readdir(paths.root)
  if (names.includes(unfinished)) await emptyHome(paths)
  else if (names.length > 0)
    throw new DomainError('ERR_ALREADY_EXISTS', 'the server’s folder is not empty', {
      hints: ['restore into another home: --home DIR', 'or move this one away first'],
    })
  await writeFile(join(paths.root, unfinished), '', { mode: 0o600 })
}

async function emptyHome(paths: Paths): Promise<void> {
  await stopCluster({ directory: paths.database })
  // Last of all: until then the next restore knows what this is.
  for (const name of await readdir(paths.root))
    if (name !== unfinished) await rm(join(paths.root, name), { recursive: true, force: true })
  await rm(join(paths.root, unfinished), { force: true })
}

async function writeSettings(
  { paths, settings }: RestoreWish,
  files: readonly ConfigurationFile[],
): Promise<void> {
  const own = files.find(({ name }) => name === settingsFileName)
  if (!own) throw damagedBackup('it has no settings')
  await writeConfigurationFile(paths.root, own)
  const moved = files.flatMap(({ name, setting }) =>
    setting === undefined ? [] : [[setting, name]],
  )
  await changeSettings(paths, {
    ...Object.fromEntries(moved),
    // Rows are in the private database of this host now, wherever they were.
    'keytrustee.database.url': undefined,
    'keytrustee.database.password-file': undefined,
    'keytrustee.database.ca-file': undefined,
    ...settings,
  })
  await readSettings(paths)
}

/** @throws ERR_INTEGRITY when the audit is not whole, or does not hold the entry that the backup knows. */
async function readAudit(wish: RestoreWish, head: AuditHead): Promise<Since | undefined> {
  const { audit: directory, paths } = wish
  if (directory === undefined) return undefined
  const publicKey = wish.auditPublicKey ?? (await readText(paths.auditPublicKey))
  const report = await verifyAudit({
    directory,
    publicKey,
    service: 'keytrustee',
    expectAtLeast: head,
  })
  if (!report.ok)
    throw new DomainError('ERR_INTEGRITY', 'the audit is not whole, or of another server', {
      hints: [
        `${report.faultCount} faults, the first: ${report.faults[0]?.what ?? 'unknown'}`,
        'without --audit everything that may have changed is held',
      ],
    })
  wish.onProgress(`${report.entries} audit entries verified`)
  return readSince(directory, head.sequence)
}

interface Loaded {
  readonly read: ReadBackup
  readonly since: Since | undefined
  readonly sha256: string
  readonly address: PostgresAddress
}

/** Written down in the new host's own audit, which begins here. */
async function finish(wish: RestoreWish, loaded: Loaded): Promise<RestoreReport> {
  const { paths, file } = wish
  const { manifest, totals } = loaded.read
  await initialise(paths, { externalAddresses: [] })
  const recorder = await openRecorderIn(paths)
  const rows = totals.tables.reduce((sum, table) => sum + table.rows, 0)
  const subject = { file: basename(file), sha256: loaded.sha256, rows }
  try {
    return await recorded(
      recorder,
      { operation: 'restore', subject },
      async () => {
        const changes = await changeRows(wish, loaded, recorder.audit)
        return {
          madeAt: manifest.madeAt.toISOString(),
          rows,
          sha256: loaded.sha256,
          servers: manifest.servers,
          lost: loaded.since?.lost ?? [],
          revokedKeys: [...(loaded.since?.revokedKeys ?? [])],
          ...changes,
        }
      },
      ({ held, lost }) => ({
        subject: { clientsHeld: held.clients, depositsHeld: held.deposits, lost: lost.length },
      }),
    )
  } finally {
    await recorder.close()
  }
}

async function changeRows(
  { paths }: RestoreWish,
  { since, address, read }: Loaded,
  audit: Restoring['audit'],
): Promise<Pick<RestoreReport, 'replayed' | 'held' | 'requestsWithdrawn'>> {
  const grants = parseGrantKey(await readPrivateText(paths.grantKey))
  const revocations = await openRevocationLog(paths.revocations, grants)
  const { undeleteMs } = await readSettings(paths)
  const store = await openPostgresStore({ address, cluster: 'private' })
  const clock = systemClock
  const restoring = { store, grants, audit, revocations, clock, actor: invokingUser, undeleteMs }
  try {
    const replayed = since && (await applySince(restoring, since, read.manifest.servers))
    const held = withEarlier(
      replayed?.held ?? (await holdAll(restoring)),
      await openHolds(paths.holds),
    )
    await writeHolds(paths.holds, held)
    return {
      replayed: replayed?.applied,
      held: { clients: held.clients.length, deposits: held.deposits.length },
      requestsWithdrawn: await withdrawRequests(restoring),
    }
  } finally {
    await store.close()
  }
}

/** The lost host may itself have been restored, and not everything released. */
function withEarlier(held: Held, earlier: Holds): Held {
  const { clients, deposits } = earlier.list()
  return {
    clients: [...new Set([...held.clients, ...clients])],
    deposits: [...new Set([...held.deposits, ...deposits])],
  }
}
