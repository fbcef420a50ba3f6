import { setFlagsFromString } from 'node:v8'
import { type Command, type Input, type Io, type Option, optionGiven } from '@keyhsm/command-line'
import { DomainError, invalidInput, systemClock, toDomainError } from '@keyhsm/core'
import { daemonState, openLog, runInForeground, startDaemon } from '@keyhsm/service'
import { readShownConfiguration } from '../configuration.js'
import { makePrivateDirectory } from '../files.js'
import { type Logging, readLogging } from '../logging.js'
import { passwordVariable } from '../keystore-password.js'
import { installed, type Paths, pathsIn } from '../paths.js'
import type { Environment } from '../service/live-state.js'
import { startKeyHsm } from '../service/start-key-hsm.js'
import { keystorePasswordOption, withKeystorePassword } from './keystore-access.js'

const readyTimeoutMs = 60_000

/** A service that is ready in the background. */
export interface Started {
  readonly ready: string
  readonly pid: number
}

interface StartResult extends Partial<Started> {
  /** Exit status of a run in the foreground. */
  readonly status: number
}

/** For every command that starts the service. */
export const debugOption: Option = {
  flag: 'debug',
  describe: 'log everything, until it is started again without this',
}

const foregroundOption: Option = {
  flag: 'foreground',
  describe: 'run here until SIGTERM or SIGINT, for service managers',
}

/** Starts the service in the background and returns when it accepts requests, or runs it here. */
export const startCommand: Command = {
  name: 'start',
  summary: 'start the Key HSM proxy server',
  arguments: [
    {
      name: 'debug',
      describe: 'the word debug: the same as --debug',
      optional: true,
      check: requireDebug,
    },
  ],
  options: [foregroundOption, debugOption, keystorePasswordOption],
  run: (input, io) =>
    start(input, io, optionGiven(input, debugOption.flag) || input.args['debug'] !== undefined),
  print: printStarted,
  exitCode: ({ status }: StartResult) => status,
}

/** The old product's own word for `start --debug`. */
export const debugCommand: Command = {
  name: 'debug',
  summary: 'start the Key HSM proxy server in debug mode',
  options: [foregroundOption],
  run: (input, io) => start(input, io, true),
  print: printStarted,
  exitCode: ({ status }: StartResult) => status,
}

async function start(input: Input, io: Io, debug: boolean): Promise<StartResult> {
  const paths = pathsIn(input.home.keyhsm)
  const env = await withKeystorePassword(input, io, paths)
  if (!optionGiven(input, foregroundOption.flag)) {
    return { ...(await startInBackground(input, { paths, env, debug })), status: 0 }
  }
  const logging = await prepare(paths)
  return { status: await serve({ paths, logging, io, env, debug }) }
}

/** @throws ERR_ALREADY_EXISTS when it runs; ERR_SETTINGS and what else the service fails with. */
export async function startInBackground(
  input: Pick<Input, 'home'>,
  {
    paths,
    env,
    debug,
  }: { readonly paths: Paths; readonly env: Environment; readonly debug: boolean },
): Promise<Started> {
  await prepare(paths)
  // By standard input: other programs of the user can read the environment of a process.
  const { [passwordVariable]: password, ...rest } = env
  const { pid, text } = await startDaemon({
    name: 'keyhsm',
    entry: new URL('../main.js', import.meta.url).pathname,
    args: [
      'start',
      '--foreground',
      ...(debug ? ['--debug'] : []),
      ...(password ? [`--${keystorePasswordOption.flag}`, '-'] : []),
      ...homeArguments(input),
    ],
    pidFile: paths.pidFile,
    logFile: paths.daemonLog,
    readyTimeoutMs,
    env: daemonEnvironment(rest),
    ...(password ? { input: password } : {}),
  })
  return { ready: text, pid }
}

/** What can be refused before a process is made. */
async function prepare(paths: Paths): Promise<Logging> {
  const { settings } = await readShownConfiguration(paths)
  requireStopped(paths)
  for (const folder of [paths.run, paths.log]) await makePrivateDirectory(folder)
  const logging = await readLogging(paths, settings)
  // A log that cannot be opened is told here too, where somebody reads it.
  await openLog({ name: 'keyhsm', configuration: logging.configuration }).close()
  return logging
}

function printStarted({ ready, pid }: StartResult, io: Io): void {
  if (ready !== undefined) io.words(`${ready.replace(/^keyhsm /, '')} (pid ${pid})`)
}

function requireDebug(text: string): void {
  if (text !== 'debug') throw invalidInput('debug', 'is the only word that may stand here')
}

/**
 * Small heaps: the service works on buffers outside the heap, of which 20 MB live. Left to itself Node lets garbage of
 * many times that pile up (observed: 150 MiB resident instead of 100 at 32 requests at once). The limit stays Node's own,
 * for bodies of the largest content. The HSM's host process inherits none of this.
 */
function daemonEnvironment(env: Environment): NodeJS.ProcessEnv {
  return { ...env, NODE_OPTIONS: `--max-semi-space-size=4 ${env['NODE_OPTIONS'] ?? ''}`.trim() }
}

/** Old space may grow by half before it is collected; Node has no option of its own for it. Read at each collection. */
const heapGrowth = '--heap-growing-percent=50'

function requireStopped({ pidFile }: Paths): void {
  const { running, pid } = daemonState(pidFile)
  if (running) throw new DomainError('ERR_ALREADY_EXISTS', `keyhsm is already running (pid ${pid})`)
}

interface Serving {
  readonly paths: Paths
  readonly logging: Logging
  readonly io: Io
  readonly env: Environment
  readonly debug: boolean
}

async function serve({ paths, logging, io, env, debug }: Serving): Promise<number> {
  setFlagsFromString(heapGrowth)
  const log = openLog({ name: 'keyhsm', configuration: logging.configuration })
  if (debug) log.setLevel('debug')
  for (const warning of logging.warnings) log.warn({}, warning)
  let failure: DomainError | undefined
  const startService = async (requestStop: (drainMs: number) => void) => {
    try {
      const o = { paths, env, log, clock: systemClock, debug, requestStop }
      const service = await startKeyHsm(o)
      io.words(service.ready.replace(/^keyhsm /, ''))
      return service
    } catch (error) {
      failure = toDomainError(error)
      throw failure
    }
  }
  const { pidFile } = paths
  try {
    const status = await runInForeground({ name: 'keyhsm', pidFile, start: startService, log })
    if (failure) throw toDomainError(failure)
    return status
  } finally {
    await log.close()
  }
}

function homeArguments({ home }: Pick<Input, 'home'>): string[] {
  return home.keyhsm === installed.keyhsm ? [] : ['--home', home.root]
}
