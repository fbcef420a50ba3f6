/** `keytrustee-server start|stop|restart|status|reload`. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, homeArguments, serviceCommands } from '@keyhsm/command-line'
import { localReloadRoute } from '@keyhsm/protocol'
import {
  formatAuthority,
  type OpenLog,
  type ProcessRequests,
  requestReload,
  type RunningService,
  type ServiceProcess,
  starterOf,
  stopDaemon,
} from '@keyhsm/service'
import { readLogging } from '../logging.js'
import { type Paths, pathsIn } from '../paths.js'
import { openDatabase } from '../service/database.js'
import { startServer } from '../service/start-server.js'
import { readSettings } from '../settings.js'
import { askServer } from './control.js'
import { logLevelCommand } from './log-level.js'
import { statusCommand } from './status.js'

const name = 'keytrustee-server'
/** Crash recovery of a large private database may take a while. */
const readyTimeoutMs = 120_000
/** Requests under way get this long; then the private database stops. */
const stopTimeoutMs = 30_000

const { start, stop, restart, reload } = serviceCommands({
  summaries: {
    start: 'start the server, and its private database if it has one',
    stop: 'stop the server, and its private database if it has one',
    restart: 'stop the server and start it again',
    reload: 'read settings, certificate and administrators anew; a faulty file changes nothing',
  },
  starter(input, io) {
    const paths = pathsIn(input.home.keytrustee)
    const away = {
      entry: fileURLToPath(new URL('../main-keytrustee-server.js', import.meta.url)),
      args: ['start', '--foreground', ...homeArguments(input, 'keytrustee')],
      logFile: join(dirname(paths.logFile), `${name}.out`),
    }
    return starterOf(processOf(paths), away, (line) => io.words(line))
  },
  async stop(input) {
    const { pidFile } = pathsIn(input.home.keytrustee)
    return await stopDaemon({ name, pidFile, timeoutMs: 2 * stopTimeoutMs })
  },
  reload: (input) =>
    requestReload(processOf(pathsIn(input.home.keytrustee)), () =>
      askServer(input, localReloadRoute),
    ),
})

export const serverCommands: readonly Command[] = [
  start,
  stop,
  restart,
  statusCommand(),
  reload,
  logLevelCommand,
]

function processOf(paths: Paths): ServiceProcess {
  return {
    name,
    logger: 'keytrustee',
    pidFile: paths.pidFile,
    folders: [paths.run, dirname(paths.logFile)],
    readyTimeoutMs,
    stopTimeoutMs,
    readLogging: async () => readLogging(paths, await readSettings(paths)),
    open: (log, requests) => open(paths, log, requests),
  }
}

async function open(
  paths: Paths,
  log: OpenLog,
  requests: ProcessRequests,
): Promise<RunningService> {
  const server = await startServer({
    paths,
    log,
    requestReload: () => requests.reload(),
    openDatabase: (settings) => openDatabase(paths, settings, log),
  })
  return {
    ready: `${name} is ready on https://${formatAuthority(server.address)}`,
    stop: (timeoutMs) => server.stop(timeoutMs),
    reload: () => server.reload(),
  }
}
