import { setFlagsFromString } from 'node:v8'
import { type Command, type Input, type Io, optionGiven } from '@keyhsm/command-line'
import { DomainError, systemClock, toDomainError } from '@keyhsm/core'
import { daemonState, openLog, runInForeground, startDaemon } from '@keyhsm/service'
import { type CommonSettings, readConfiguration } from '../configuration.js'
import { makePrivateDirectory } from '../files.js'
import { installed, type Paths, pathsIn } from '../paths.js'
import { startKeyHsm } from '../service/start-key-hsm.js'

const readyTimeoutMs = 60_000

interface StartResult {
  readonly ready?: string
  readonly pid?: number
  /** Exit status of a run in the foreground. */
  readonly status: number
}

/** Starts the service in the background and returns when it accepts requests, or runs it here. */
export const startCommand: Command = {
  name: 'start',
  summary: 'start the Key HSM proxy server',
  options: [
    { flag: 'foreground', describe: 'run here until SIGTERM or SIGINT, for service managers' },
  ],
  async run(input, io): Promise<StartResult> {
    const paths = pathsIn(input.home.keyhsm)
    const { settings, pin } = await readConfiguration(paths)
    pin.wipe()
    requireStopped(paths)
    for (const folder of [paths.run, paths.log]) await makePrivateDirectory(folder)
    if (optionGiven(input, 'foreground')) return { status: await serve(paths, settings, io) }
    const { pid, text } = await startDaemon({
      name: 'keyhsm',
      entry: new URL('../main.js', import.meta.url).pathname,
      args: ['start', '--foreground', ...homeArguments(input)],
      pidFile: paths.pidFile,
      logFile: paths.daemonLog,
      readyTimeoutMs,
      env: daemonEnvironment(process.env),
    })
    return { ready: text, pid, status: 0 }
  },
  print({ ready, pid }: StartResult, io) {
    if (ready !== undefined) io.words(`${ready.replace(/^keyhsm /, '')} (pid ${pid})`)
  },
  exitCode: ({ status }: StartResult) => status,
}

/**
 * Small heaps: the service works on buffers outside the heap, of which 20 MB live. Left to itself Node lets garbage of
 * many times that pile up (observed: 150 MiB resident instead of 100 at 32 requests at once). The limit stays Node's own,
 * for bodies of the largest content. The HSM's host process inherits none of this.
 */
function daemonEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, NODE_OPTIONS: `--max-semi-space-size=4 ${env['NODE_OPTIONS'] ?? ''}`.trim() }
}

/** Old space may grow by half before it is collected; Node has no option of its own for it. Read at each collection. */
const heapGrowth = '--heap-growing-percent=50'

function requireStopped({ pidFile }: Paths): void {
  const { running, pid } = daemonState(pidFile)
  if (running) throw new DomainError('ERR_ALREADY_EXISTS', `keyhsm is already running (pid ${pid})`)
}

async function serve(paths: Paths, settings: CommonSettings, io: Io): Promise<number> {
  setFlagsFromString(heapGrowth)
  const log = openLog({
    name: 'keyhsm',
    file: paths.logFile,
    level: settings.logLevel,
    maxBytes: settings.logBytes,
    keep: settings.logFiles,
  })
  let failure: DomainError | undefined
  const start = async () => {
    try {
      const service = await startKeyHsm({ paths, env: io.env, log, clock: systemClock })
      io.words(service.ready.replace(/^keyhsm /, ''))
      return service
    } catch (error) {
      failure = toDomainError(error)
      throw failure
    }
  }
  try {
    const status = await runInForeground({ name: 'keyhsm', pidFile: paths.pidFile, start, log })
    if (failure) throw toDomainError(failure)
    return status
  } finally {
    await log.close()
  }
}

function homeArguments({ home }: Input): string[] {
  return home.keyhsm === installed.keyhsm ? [] : ['--home', home.root]
}
