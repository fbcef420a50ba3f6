/** The database behind the server: the private cluster, started and watched, or an external one by its URL. */
import { splitPem } from '@keyhsm/client'
import { DomainError } from '@keyhsm/core'
import type { Log } from '@keyhsm/service'
import {
  clusterAddresses,
  clusterStatus,
  startCluster,
  stopCluster,
  superviseCluster,
} from '../cluster/index.js'
import { readPrivateText, readText } from '../files.js'
import type { Paths } from '../paths.js'
import { type Settings, settingPath } from '../settings.js'
import { parseDatabaseUrl, type PostgresAddress } from '../store/postgres/address.js'
import { installSchema } from '../store/postgres/install-schema.js'
import { openPostgresStore } from '../store/postgres/postgres-store.js'
import type { Store } from '../store/store.js'

export interface Database {
  readonly store: Store
  /** Closes the connections and stops what was started for them. */
  close(): Promise<void>
}

export type DatabaseSettings = Pick<
  Settings,
  'databaseUrl' | 'databasePasswordFile' | 'databaseAuthorityFile'
>

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
    : openExternal(paths, settings, databaseUrl)
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

async function openExternal(
  paths: Paths,
  settings: DatabaseSettings,
  url: string,
): Promise<Database> {
  const address = await externalAddress(paths, settings, url)
  await installSchema({ address })
  const store = await openPostgresStore({ address, cluster: 'external' })
  return { store, close: () => store.close() }
}

/** The address behind the settings of an external database. @throws ERR_SETTINGS */
export async function externalAddress(
  paths: Pick<Paths, 'root'>,
  settings: DatabaseSettings,
  url: string,
): Promise<PostgresAddress> {
  const { databasePasswordFile: passwordFile, databaseAuthorityFile: authorityFile } = settings
  const password =
    passwordFile === undefined
      ? undefined
      : (await readPrivateText(settingPath(paths, passwordFile))).trim()
  const authorities =
    authorityFile === undefined
      ? undefined
      : splitAuthorities(await readText(settingPath(paths, authorityFile)))
  return parseDatabaseUrl(url, 'keytrustee.database.url', {
    ...(password === undefined ? {} : { password }),
    ...(authorities === undefined ? {} : { authorities }),
  })
}

/**
 * Lends the address that the service works with; a private database that does not run is started for it, and stopped again.
 * @throws ERR_SETTINGS, ERR_STORE_UNAVAILABLE
 */
export async function withDatabaseAddress<Result>(
  paths: Paths,
  settings: DatabaseSettings,
  work: (address: PostgresAddress) => Promise<Result>,
): Promise<Result> {
  const { databaseUrl } = settings
  if (databaseUrl !== undefined) return work(await externalAddress(paths, settings, databaseUrl))
  const directory = paths.database
  const { state, socketDirectory, port } = await clusterStatus({ directory })
  // Asked first: starting it would bring the schema up to this program's.
  if (state === 'running' && socketDirectory !== undefined && port !== undefined)
    return work(clusterAddresses({ socketDirectory, port }).service)
  const { service, adopted } = await startCluster({ directory })
  try {
    return await work(service)
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
