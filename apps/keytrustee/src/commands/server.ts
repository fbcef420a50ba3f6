/** `keytrustee-server start|stop|status|reload`. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, type Input, type Io, optionGiven, printLine } from '@keyhsm/command-line'
import { DomainError } from '@keyhsm/core'
import {
  openLog,
  reloadDaemon,
  runInForeground,
  simpleConfiguration,
  startDaemon,
  stopDaemon,
} from '@keyhsm/service'
import { readLogging } from '../logging.js'
import { type Paths, pathsIn } from '../paths.js'
import { openDatabase } from '../service/database.js'
import { startServer } from '../service/start-server.js'
import { readSettings } from '../settings.js'
import { statusCommand } from './status.js'

const name = 'keytrustee-server'
/** Crash recovery of a large private database may take a while. */
const readyTimeoutMs = 120_000
/** Requests under way get this long; then the private database stops. */
const stopTimeoutMs = 30_000

export const serverCommands: readonly Command[] = [
  {
    name: 'start',
    summary: 'start the server, and its private database if it has one',
    options: [{ flag: 'foreground', describe: 'stay in the foreground until stopped' }],
    run: (input, io) => (optionGiven(input, 'foreground') ? runHere(input, io) : startAway(input)),
    print(result: { readonly text?: string }, io: Io) {
      if (result.text !== undefined) printLine(result.text, io)
    },
    exitCode: (result: { readonly exit?: number }) => result.exit ?? 0,
  },
  {
    name: 'stop',
    summary: 'stop the server, and its private database if it has one',
    async run(input) {
      const { pidFile } = pathsIn(input.home.keytrustee)
      return { state: await stopDaemon({ name, pidFile, timeoutMs: 2 * stopTimeoutMs }) }
    },
  },
  statusCommand(),
  {
    name: 'reload',
    summary: 'read settings, certificate and administrators anew; a faulty file changes nothing',
    async run(input) {
      const paths = pathsIn(input.home.keytrustee)
      await readSettings(paths)
      if (!reloadDaemon({ name, pidFile: paths.pidFile }))
        throw new DomainError('ERR_UNAVAILABLE', `${name} is not running`, {
          hints: [`start it with: ${name} start`],
        })
      return { state: 'reloading' }
    },
  },
]

/** @throws what the server itself failed with. */
async function startAway(input: Input): Promise<{ readonly pid: number; readonly text: string }> {
  const paths = pathsIn(input.home.keytrustee)
  // Checked here too: faults are told at once, with their lines.
  const { configuration } = await readServiceLogging(paths, true)
  await openLog({ name, configuration }).close()
  return startDaemon({
    name,
    entry: fileURLToPath(new URL('../main-keytrustee-server.js', import.meta.url)),
    args: ['start', '--foreground', ...homeArguments(input)],
    pidFile: paths.pidFile,
    readyTimeoutMs,
    logFile: join(paths.root, 'log', `${name}.out`),
  })
}

/** `--home` for the child, unless the home is the installed one, which has another form. */
function homeArguments({ home }: Input): readonly string[] {
  return home.keytrustee === join(home.root, 'keytrustee') ? ['--home', home.root] : []
}

async function runHere(input: Input, io: Io): Promise<{ readonly exit: number }> {
  const paths = pathsIn(input.home.keytrustee)
  // Whoever started it in the background talks to it until it is ready.
  const daemon = process.send !== undefined
  const { configuration, warnings } = await readServiceLogging(paths, daemon)
  const log = openLog({ name: 'keytrustee', configuration })
  for (const warning of warnings) log.warn({}, warning)
  if (!daemon) io.words('running in the foreground, stop with Ctrl-C')
  const exit = await runInForeground({
    name,
    pidFile: paths.pidFile,
    log,
    stopTimeoutMs,
    start: () => startService(paths, log, daemon),
  })
  await log.close()
  return { exit }
}

/**
 * A daemon logs as `conf/logback.xml` says; in the foreground somebody, or a service manager, looks at standard error.
 * @throws ERR_SETTINGS with the faults of both files.
 */
async function readServiceLogging(paths: Paths, daemon: boolean) {
  const { configuration, warnings } = await readLogging(paths, await readSettings(paths))
  if (daemon) return { configuration, warnings }
  return { configuration: simpleConfiguration({ level: configuration.root.level }), warnings }
}

async function startService(paths: Paths, log: ReturnType<typeof openLog>, daemon: boolean) {
  const server = await startServer({
    paths,
    log,
    openDatabase: (settings) => openDatabase(paths, settings, log),
  })
  const { host, port } = server.address
  return {
    ready: `${name} is ready on https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    stop: (timeoutMs: number) => server.stop(timeoutMs),
    async reload() {
      const { configuration, warnings } = await readServiceLogging(paths, daemon)
      await server.reload()
      log.configure(configuration)
      for (const warning of warnings) log.warn({}, warning)
    },
  }
}
