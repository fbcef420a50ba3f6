/** The database behind the server: the private cluster, started and watched, or an external one by its URL. */
import { splitPem } from '@keyhsm/client'
import { DomainError } from '@keyhsm/core'
import type { Log } from '@keyhsm/service'
import { startCluster, stopCluster, superviseCluster } from '../cluster/index.js'
import { readPrivateText, readText } from '../files.js'
import type { Paths } from '../paths.js'
import { type Settings, settingPath } from '../settings.js'
import { parseDatabaseUrl } from '../store/postgres/address.js'
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
  const { databasePasswordFile: passwordFile, databaseAuthorityFile: authorityFile } = settings
  const password =
    passwordFile === undefined
      ? undefined
      : (await readPrivateText(settingPath(paths, passwordFile))).trim()
  const authorities =
    authorityFile === undefined
      ? undefined
      : splitAuthorities(await readText(settingPath(paths, authorityFile)))
  const address = parseDatabaseUrl(url, 'keytrustee.database.url', {
    ...(password === undefined ? {} : { password }),
    ...(authorities === undefined ? {} : { authorities }),
  })
  await installSchema({ address })
  const store = await openPostgresStore({ address, cluster: 'external' })
  return { store, close: () => store.close() }
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
