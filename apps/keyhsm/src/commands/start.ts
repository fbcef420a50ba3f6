/** `keyhsm start|debug|stop|restart|reload`. */
import { setFlagsFromString } from 'node:v8'
import {
  type Command,
  foregroundOption,
  homeArguments,
  type Input,
  type Io,
  type Option,
  optionGiven,
  serviceCommands,
  startCommandOf,
  type Starter,
} from '@keyhsm/command-line'
import { DomainError, invalidInput, systemClock } from '@keyhsm/core'
import { reloadRoute } from '@keyhsm/protocol'
import { serve, type ServiceProcess, startInBackground } from '@keyhsm/service'
import { readShownConfiguration } from '../configuration.js'
import { passwordVariable } from '../keystore-password.js'
import { readLogging } from '../logging.js'
import { type Paths, pathsIn } from '../paths.js'
import { readLiveState } from '../service/live-state.js'
import type { Environment } from '../keystore-password.js'
import { startKeyHsm } from '../service/start-key-hsm.js'
import { keystorePasswordOption, withKeystorePassword } from './keystore-access.js'
import { drainOption, readDrain, stopService } from './stop-service.js'
import { isRunning, withService } from './with-service.js'

const readyTimeoutMs = 60_000

const debugOption: Option = {
  flag: 'debug',
  describe: 'log everything, until it is started again without this',
}

const commands = serviceCommands({
  summaries: {
    start: 'start the Key HSM proxy server',
    stop: 'force Key HSM server to shut down',
    restart: 'stop the server and start it again',
    reload: 'reload the server (without shutdown)',
  },
  startArguments: [
    {
      name: 'debug',
      describe: 'the word debug: the same as --debug',
      optional: true,
      check: requireDebug,
    },
  ],
  startOptions: [debugOption, keystorePasswordOption],
  stopOptions: [drainOption],
  stopAliases: ['shutdown'],
  starter: (input, io) =>
    openStarter(
      input,
      io,
      optionGiven(input, debugOption.flag) || input.args['debug'] !== undefined,
    ),
  stop: (input) => stopService(pathsIn(input.home.keyhsm), readDrain(input)),
  async reload({ home }) {
    const paths = pathsIn(home.keyhsm)
    if (!isRunning(paths)) throw new DomainError('ERR_UNAVAILABLE', 'keyhsm is not running')
    return await withService(paths, (service) => service.call(reloadRoute, {}))
  },
})

export const {
  start: startCommand,
  stop: stopCommand,
  restart: restartCommand,
  reload: reloadCommand,
} = commands

/** The old product's own word for `start --debug`. */
export const debugCommand: Command = {
  ...startCommandOf((input, io) => openStarter(input, io, true)),
  name: 'debug',
  summary: 'start the Key HSM proxy server in debug mode',
  options: [foregroundOption],
}

async function openStarter(input: Input, io: Io, debug: boolean): Promise<Starter> {
  const paths = pathsIn(input.home.keyhsm)
  const env = await withKeystorePassword(input, io, paths)
  const service = processOf({ paths, env, debug })
  return {
    check: async () => void (await readLiveState(paths, env, await readShownConfiguration(paths))),
    inBackground: () =>
      startInBackground(service, {
        entry: new URL('../main.js', import.meta.url).pathname,
        logFile: paths.daemonLog,
        ...childOf(input, { env, debug }),
      }),
    async here() {
      setFlagsFromString(heapGrowth)
      return await serve(service, (line) => io.words(line))
    },
  }
}

/** Arguments, environment and input of the process that serves. */
function childOf(
  input: Input,
  { env, debug }: { readonly env: Environment; readonly debug: boolean },
) {
  // By standard input: other programs of the user can read the environment of a process.
  const { [passwordVariable]: password, ...rest } = env
  return {
    args: [
      'start',
      '--foreground',
      ...(debug ? ['--debug'] : []),
      ...(password ? [`--${keystorePasswordOption.flag}`, '-'] : []),
      ...homeArguments(input, 'keyhsm'),
    ],
    env: daemonEnvironment(rest),
    ...(password ? { input: password } : {}),
  }
}

interface Serving {
  readonly paths: Paths
  readonly env: Environment
  readonly debug: boolean
}

function processOf({ paths, env, debug }: Serving): ServiceProcess {
  return {
    name: 'keyhsm',
    pidFile: paths.pidFile,
    folders: [paths.run, paths.log],
    readyTimeoutMs,
    foregroundLog: 'configured',
    takesLoggingOver: true,
    async readLogging() {
      const { settings } = await readShownConfiguration(paths)
      return readLogging(paths, settings)
    },
    open(log, requests) {
      if (debug) log.setLevel('debug')
      const requestStop = (drainMs: number) => requests.stop(drainMs)
      return startKeyHsm({ paths, env, log, clock: systemClock, debug, requestStop })
    },
  }
}

function requireDebug(text: string): void {
  if (text !== 'debug') throw invalidInput('debug', 'is the only word that may stand here')
}

/**
 * Small heaps: the service works on buffers outside the heap, of which 20 MB live. Left to itself Node lets garbage of
 * many times that pile up (observed: 150 MiB resident instead of 100 at 32 requests at once). Half as much for the young as here
 * is collected twice as often, for 7 % more CPU of a migration and 10 MiB less. The limit stays Node's own,
 * for bodies of the largest content. The HSM's host process inherits none of this.
 */
function daemonEnvironment(env: Environment): NodeJS.ProcessEnv {
  return { ...env, NODE_OPTIONS: `--max-semi-space-size=8 ${env['NODE_OPTIONS'] ?? ''}`.trim() }
}

/** Old space may grow by half before it is collected; Node has no option of its own for it. Read at each collection. */
const heapGrowth = '--heap-growing-percent=50'
