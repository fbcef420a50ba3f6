/** `ktadmin db`: the private cluster, or the URL of an external database. */
import { readFile, rm } from 'node:fs/promises'
import { type Command, type Input, type Io, optionGiven, optionText } from '@keyhsm/command-line'
import { invalidInput } from '@keyhsm/core'
import { editSettings, openLog, writeFileAtomically } from '@keyhsm/service'
import { bootstrapCluster, clusterStatus, startCluster, stopCluster } from '../cluster/index.js'
import { type Paths, pathsIn } from '../paths.js'
import { openDatabase } from '../service/database.js'
import { databaseGiven, urlOptions } from './database-options.js'
import { dbMigrateCommand } from './db-migrate.js'
import { dbUpgradeCommand } from './db-upgrade.js'
import { privateDirectory } from './private-directory.js'

type Verb = 'bootstrap' | 'start' | 'stop' | 'status'

const verbs: Readonly<
  Record<Verb, { summary: string; run(input: Input, io: Io): Promise<unknown> }>
> = {
  bootstrap: {
    summary: 'make the private database, or use an external one with --url, and install the schema',
    run: (input, io) =>
      optionText(input, 'url') === undefined ? bootstrap(input, io) : useExternal(input, io),
  },
  start: {
    summary: 'start the private database',
    async run(input) {
      const { pid, adopted } = await startCluster({ directory: await privateDirectory(input) })
      return { state: adopted ? 'was running already' : 'started', pid }
    },
  },
  stop: {
    summary: 'stop the private database; it stays stopped until it is started again',
    run: async (input) => ({
      state: await stopCluster({ directory: await privateDirectory(input) }),
    }),
  },
  status: {
    summary: 'say how the private database is doing',
    run: async (input) => clusterStatus({ directory: await privateDirectory(input) }),
  },
}

export const dbCommands: readonly Command[] = [
  ...(Object.keys(verbs) as Verb[]).map(
    (verb): Command => ({
      name: `db ${verb}`,
      summary: verbs[verb].summary,
      options: verb === 'bootstrap' ? urlOptions : [],
      run: (input, io) => verbs[verb].run(input, io),
    }),
  ),
  dbMigrateCommand,
  dbUpgradeCommand,
  {
    name: 'db',
    summary: 'the database: bootstrap, start, stop, status, migrate, upgrade',
    // The old product's spelling.
    options: [
      { flag: 'bootstrap', describe: 'as: db bootstrap' },
      { flag: 'start', describe: 'as: db start' },
      { flag: 'stop', describe: 'as: db stop' },
      {
        flag: 'port',
        value: 'N',
        describe: 'accepted and ignored',
        deprecated: 'the database opens no port',
      },
      {
        flag: 'pg-rootdir',
        value: 'DIR',
        describe: 'accepted and ignored',
        deprecated: 'the database is in the home',
      },
    ],
    run: runOldSpelling,
  },
]

/** In the old product `--bootstrap --start` were given together. */
async function runOldSpelling(input: Input, io: Io): Promise<unknown> {
  const asked = (['bootstrap', 'stop', 'start'] as const).filter((verb) => optionGiven(input, verb))
  if (asked.length === 0)
    throw invalidInput('db', 'needs one of bootstrap, start, stop, status, migrate, upgrade')
  let result: unknown
  for (const verb of asked) result = await verbs[verb].run(input, io)
  return result
}

async function bootstrap(input: Input, io: Io): Promise<unknown> {
  const directory = await privateDirectory(input)
  const { pid, adopted } = await bootstrapCluster({ directory })
  io.words(adopted ? 'the private database was running already' : 'the private database is running')
  return { state: 'running', pid }
}

/** Tries the database, installs the schema there, and only then writes the settings. */
async function useExternal(input: Input, io: Io): Promise<unknown> {
  const paths = pathsIn(input.home.keytrustee)
  const settings = databaseGiven(input)
  const log = openLog({ name: 'ktadmin' })
  // A person names this database: what was seen of another one does not count against it.
  await rm(paths.timeline, { force: true })
  const database = await openDatabase(paths, settings, log)
  try {
    const { state, detail } = await database.store.probe()
    await saveUrl(paths, settings)
    io.words('the settings name this database now; restart the server if it runs')
    return { state, detail }
  } finally {
    await database.close()
    await log.close()
  }
}

async function saveUrl(paths: Paths, settings: Parameters<typeof openDatabase>[1]): Promise<void> {
  const text = editSettings(await readFile(paths.settings, 'utf8'), {
    'keytrustee.database.url': settings.databaseUrl,
    'keytrustee.database.password-file': settings.databasePasswordFile,
    'keytrustee.database.ca-file': settings.databaseAuthorityFile,
  })
  await writeFileAtomically(paths.settings, text, 0o640)
}
