/** The database behind the server: the private cluster, started and watched, or an external one by its URL. */
import { splitPem } from '@keyhsm/client'
import { DomainError, hasCode } from '@keyhsm/core'
import type { Log } from '@keyhsm/service'
import {
  type ClusterAddresses,
  serviceRole,
  startCluster,
  stopCluster,
  superviseCluster,
} from '../cluster/index.js'
import { readPrivateText, readText } from '../files.js'
import type { Paths } from '../paths.js'
import { type Settings, settingPath } from '../settings.js'
import { parseDatabaseUrls, type PostgresAddress } from '../store/postgres/address.js'
import { checkSettings } from '../store/postgres/check-settings.js'
import { openFollowingStore } from '../store/postgres/following/following-store.js'
import { ensureSchema, isStandby } from '../store/postgres/install-schema.js'
import { defaultTimeouts } from '../store/postgres/pool.js'
import { openPostgresStore } from '../store/postgres/postgres-store.js'
import { checkSchema, newest } from '../store/postgres/schema-version.js'
import type { Store } from '../store/store.js'
import { readNodeIdentity } from './node-identity.js'

/** Of commands that read no such setting. */
const defaultMaxStalenessMs = 30_000

export interface Database {
  readonly store: Store
  /** Closes the connections and stops what was started for them. */
  close(): Promise<void>
}

export type DatabaseSettings = Pick<
  Settings,
  'databaseUrl' | 'databasePasswordFile' | 'databaseAuthorityFile'
> &
  Partial<Pick<Settings, 'standbyMaxStalenessMs' | 'externalAddresses' | 'host' | 'port'>>

/**
 * Opens the database and brings its schema up to date.
 * @throws ERR_SETTINGS when there is none, it would lose commits, or it refuses us; ERR_STORE_UNAVAILABLE.
 */
export function openDatabase(
  paths: Paths,
  settings: DatabaseSettings,
  log: Log,
): Promise<Database> {
  const { databaseUrl } = settings
  return databaseUrl === undefined
    ? openPrivate(paths, log)
    : openExternal(paths, { settings, url: databaseUrl, log })
}

async function openPrivate(paths: Paths, log: Log): Promise<Database> {
  const directory = paths.database
  const { service, adopted } = await startCluster({ directory })
  if (adopted) log.info({}, 'the private database was running already')
  const stop = () => stopCluster({ directory }).then(() => undefined)
  const store = await openPostgresStore({ address: service, cluster: 'private' }).catch(
    async (error: unknown) => {
      if (!adopted) await stop()
      throw error
    },
  )
  const supervision = superviseCluster({
    directory,
    onRestarted: (pid) => log.warn({ pid }, 'the private database was gone and is started again'),
    onFailure: (error) => log.error({ error }, 'the private database cannot be started'),
  })
  return {
    store,
    async close() {
      await supervision.stop()
      await store.close()
      await stop()
    },
  }
}

/** Installs the schema where a primary is reached, and follows it from then on. */
async function openExternal(
  paths: Paths,
  o: { readonly settings: DatabaseSettings; readonly url: string; readonly log: Log },
): Promise<Database> {
  const { settings, url, log } = o
  const addresses = await externalAddresses(paths, settings, url)
  const version = await prepareSchema(addresses)
  if (version < newest())
    log.warn(
      { version },
      'the schema is that of the release before; as the role that owns it: ktadmin db migrate',
    )
  const store = await openFollowingStore({
    addresses,
    own: await readNodeIdentity(paths, settings),
    timelineFile: paths.timeline,
    maxStalenessMs: settings.standbyMaxStalenessMs ?? defaultMaxStalenessMs,
    onChange: ({ mode, detail }) => {
      if (mode === 'writer') log.info({}, `database: ${detail}`)
      else log.warn({}, `database: ${detail}`)
    },
  })
  return { store, close: () => store.close() }
}

/**
 * Installs the schema on a primary. A standby has it a moment later: its own is looked at only where no primary is reached.
 * @returns the lowest version found
 * @throws the fault of the last copy when none is reached; ERR_SETTINGS for one that would lose commits
 */
async function prepareSchema(addresses: readonly PostgresAddress[]): Promise<number> {
  const standbys: PostgresAddress[] = []
  const faults: unknown[] = []
  const versions: number[] = []
  for (const address of addresses) {
    try {
      const standby = await isStandby(address)
      await checkSettings(address, defaultTimeouts, 'external')
      if (standby) standbys.push(address)
      else versions.push(await ensureSchema(address))
    } catch (error) {
      // What is wrong with one copy is not mended by another; that it is away is.
      if (!hasCode(error, 'ERR_STORE_UNAVAILABLE')) throw error
      faults.push(error)
    }
  }
  if (versions.length > 0) return Math.min(...versions)
  if (standbys.length === 0) throw faults.at(-1)
  for (const address of standbys) versions.push(await checkSchema(address))
  return Math.min(...versions)
}

/** The one address that administrative work needs. @throws ERR_SETTINGS; ERR_STORE_UNAVAILABLE without a primary */
async function primaryAddress(
  paths: Pick<Paths, 'root'>,
  settings: DatabaseSettings,
  url: string,
): Promise<PostgresAddress> {
  const addresses = await externalAddresses(paths, settings, url)
  const [first] = addresses
  if (first && addresses.length === 1) return first
  for (const address of addresses) if (!(await isStandby(address).catch(() => true))) return address
  throw new DomainError('ERR_STORE_UNAVAILABLE', 'no database that takes writes is reached')
}

/** The addresses behind the settings of an external database. @throws ERR_SETTINGS */
async function externalAddresses(
  paths: Pick<Paths, 'root'>,
  settings: DatabaseSettings,
  url: string,
): Promise<readonly PostgresAddress[]> {
  const { databasePasswordFile: passwordFile, databaseAuthorityFile: authorityFile } = settings
  const password =
    passwordFile === undefined
      ? undefined
      : (await readPrivateText(settingPath(paths, passwordFile))).trim()
  const authorities =
    authorityFile === undefined
      ? undefined
      : splitAuthorities(await readText(settingPath(paths, authorityFile)))
  return parseDatabaseUrls(url, 'keytrustee.database.url', {
    ...(password === undefined ? {} : { password }),
    ...(authorities === undefined ? {} : { authorities }),
  })
}

/** How administrative work reaches the database. */
export interface OwnerAddress {
  readonly address: PostgresAddress
  /** The role of the service, where this product chose it. */
  readonly serviceRole?: string
}

/**
 * Lends the address that the service works with; a private database that does not run is started for it, and stopped again.
 * @throws ERR_SETTINGS, ERR_STORE_UNAVAILABLE
 */
export function withDatabaseAddress<Result>(
  paths: Paths,
  settings: DatabaseSettings,
  work: (address: PostgresAddress) => Promise<Result>,
): Promise<Result> {
  return withDatabase(paths, settings, ({ service }) => work(service))
}

/** The same, as a role that may change the schema. */
export function withOwnerAddress<Result>(
  paths: Paths,
  settings: DatabaseSettings,
  work: (owner: OwnerAddress) => Promise<Result>,
): Promise<Result> {
  return withDatabase(paths, settings, ({ administrator, serviceRole: role }) =>
    work({ address: administrator, ...(role === undefined ? {} : { serviceRole: role }) }),
  )
}

/** With the schema left as it is. */
async function withDatabase<Result>(
  paths: Paths,
  settings: DatabaseSettings,
  work: (addresses: ClusterAddresses & { readonly serviceRole?: string }) => Promise<Result>,
): Promise<Result> {
  const { databaseUrl } = settings
  if (databaseUrl !== undefined) {
    const address = await primaryAddress(paths, settings, databaseUrl)
    return work({ administrator: address, service: address })
  }
  const directory = paths.database
  const { adopted, ...addresses } = await startCluster({ directory, schema: 'as it is' })
  try {
    return await work({ ...addresses, serviceRole })
  } finally {
    if (!adopted) await stopCluster({ directory })
  }
}

function splitAuthorities(pem: string): readonly string[] {
  try {
    return splitPem(pem, 'keytrustee.database.ca-file').map((certificate) => certificate.toString())
  } catch (cause) {
    throw new DomainError(
      'ERR_SETTINGS',
      'keytrustee.database.ca-file must hold certificates in PEM',
      {
        cause,
      },
    )
  }
}
