/** `keytrustee-server start|stop|status|reload`. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, type Input, type Io, optionGiven, printLine } from '@keyhsm/command-line'
import { DomainError } from '@keyhsm/core'
import { openLog, reloadDaemon, runInForeground, startDaemon, stopDaemon } from '@keyhsm/service'
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
  await readSettings(paths)
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
  const settings = await readSettings(paths)
  // A daemon logs to its file; in the foreground somebody, or a service manager, looks at standard error.
  const log = openLog({
    name,
    level: settings.logLevel,
    ...(process.send === undefined
      ? {}
      : { file: paths.logFile, maxBytes: settings.logBytes, keep: settings.logFiles }),
  })
  if (process.send === undefined) io.words('running in the foreground, stop with Ctrl-C')
  const exit = await runInForeground({
    name,
    pidFile: paths.pidFile,
    log,
    stopTimeoutMs,
    start: () => startService(paths, log),
  })
  await log.close()
  return { exit }
}

async function startService(paths: Paths, log: ReturnType<typeof openLog>) {
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
      await server.reload()
      log.reopen()
      log.setLevel((await readSettings(paths)).logLevel)
    },
  }
}
