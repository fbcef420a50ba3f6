/**
 * The process of a program's service, as its commands make it: what is refused before it is made, how it logs, where its
 * own output goes. Every program with a service has one such record; the commands around it are in @keyhsm/command-line.
 */
import { mkdir } from 'node:fs/promises'
import { DomainError, toDomainError } from '@keyhsm/core'
import { toFileError } from '../file-errors.js'
import { simpleConfiguration } from '../log/configuration.js'
import type { Logging } from '../log/logback-file.js'
import { openLog, type OpenLog } from '../log.js'
import type { Reloaded } from '../reload-route.js'
import { alreadyRunning, daemonState } from './pid-file.js'
import { type ProcessRequests, type RunningService, runInForeground } from './run-in-foreground.js'
import { startDaemon } from './start-daemon.js'

export interface ServiceProcess {
  /** The program, e.g. `keyhsm`. */
  readonly name: string
  /** First word of its loggers; default: `name`. */
  readonly logger?: string
  readonly pidFile: string
  readonly readyTimeoutMs: number
  /** What a stop may take, drain included. */
  readonly stopTimeoutMs?: number
  /** Where lines go when nobody started it in the background: default standard error, for a person or a service manager. */
  readonly foregroundLog?: 'configured'
  /** Its reload configures the log by itself, together with the rest. */
  readonly takesLoggingOver?: true
  /** Made for this user alone before anything is opened. */
  readonly folders: readonly string[]
  /** Reads everything that can be refused without opening anything. @throws ERR_SETTINGS with every fault. */
  readLogging(): Promise<Logging>
  /** Opens it all, or nothing stays open. */
  open(log: OpenLog, requests: ProcessRequests): Promise<RunningService>
}

export interface InBackground {
  /** JavaScript file that ends up in {@link serve}. */
  readonly entry: string
  /** Never a secret. */
  readonly args: readonly string[]
  /** As in `DaemonOptions`. */
  readonly logFile: string
  readonly input?: string
  readonly env?: NodeJS.ProcessEnv
}

/** A service that is ready in the background. */
export interface StartedService {
  /** What it said, e.g. `is ready on 127.0.0.1:9090`. */
  readonly ready: string
  readonly pid: number
}

/**
 * Starts it away from this terminal and returns when it accepts requests.
 * @throws what is wrong with settings or logging, before a process is made; ERR_ALREADY_EXISTS when it runs; what the
 * service itself failed with.
 */
export async function startInBackground(
  service: ServiceProcess,
  away: InBackground,
): Promise<StartedService> {
  const { name, pidFile, readyTimeoutMs } = service
  const { configuration } = await prepare(service)
  // A log that cannot be opened is told here too, where somebody reads it.
  await openLog({ name, configuration }).close()
  const { pid, text } = await startDaemon({ name, pidFile, readyTimeoutMs, ...away })
  return { ready: withoutName(service, text), pid }
}

/**
 * Serves until it is stopped.
 * @returns the exit status, as `runInForeground`. @throws what it could not be opened with.
 */
export async function serve(service: ServiceProcess, say: (line: string) => void): Promise<number> {
  // Whoever started it in the background talks to it until it is ready.
  const inBackground = process.send !== undefined
  const serving = { ...service, readLogging: () => readOwnLogging(service, inBackground) }
  const { configuration, warnings } = await prepare(serving)
  const log = openLog({ name: service.logger ?? service.name, configuration })
  for (const warning of warnings) log.warn({}, warning)
  try {
    return await runLogged(serving, log, inBackground ? () => undefined : say)
  } finally {
    await log.close()
  }
}

async function runLogged(
  service: ServiceProcess,
  log: OpenLog,
  say: (line: string) => void,
): Promise<number> {
  const { name, pidFile, stopTimeoutMs } = service
  let failure: unknown
  const start = async (requests: ProcessRequests): Promise<RunningService> => {
    try {
      const running = await service.open(log, requests)
      say(withoutName(service, running.ready))
      return service.takesLoggingOver ? running : await reloadingLog(service, running, log)
    } catch (error) {
      failure = error
      throw error
    }
  }
  const limit = stopTimeoutMs === undefined ? {} : { stopTimeoutMs }
  const status = await runInForeground({ name, pidFile, start, log, ...limit })
  if (failure !== undefined) throw toDomainError(failure)
  return status
}

/**
 * Has the running service reload, once its files are found to be good. `ask` orders it.
 * @throws ERR_SETTINGS as {@link startInBackground}; ERR_UNAVAILABLE when it does not run; what the reload failed with.
 */
export async function requestReload(
  service: ServiceProcess,
  ask: () => Promise<Reloaded>,
): Promise<Reloaded> {
  const { name, pidFile } = service
  await service.readLogging()
  if (daemonState(pidFile).running) return await ask()
  const hints = [`start it with: ${name} start`]
  throw new DomainError('ERR_UNAVAILABLE', `${name} is not running`, { hints })
}

/** What a service says of itself, for lines that begin with its name anyway. */
function withoutName({ name }: Pick<ServiceProcess, 'name'>, ready: string): string {
  return ready.startsWith(`${name} `) ? ready.slice(name.length + 1) : ready
}

/** Logging is taken over last: whatever else is refused leaves it as it was. */
async function reloadingLog(
  service: ServiceProcess,
  running: RunningService,
  log: OpenLog,
): Promise<RunningService> {
  let before = JSON.stringify((await service.readLogging()).configuration)
  return {
    ready: running.ready,
    stop: (timeoutMs) => running.stop(timeoutMs),
    async reload() {
      const { configuration, warnings } = await service.readLogging()
      const { applied, needsRestart } = await running.reload()
      log.configure(configuration)
      for (const warning of warnings) log.warn({}, warning)
      const now = JSON.stringify(configuration)
      const lines = now === before ? [] : ['another configuration of the log']
      before = now
      return { applied: [...applied, ...lines], needsRestart }
    },
  }
}

/** What can be refused before anything is opened. */
async function prepare(service: ServiceProcess): Promise<Logging> {
  const logging = await service.readLogging()
  const { name, pidFile, folders } = service
  if (daemonState(pidFile).running) throw alreadyRunning(name, pidFile)
  for (const folder of folders) {
    await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw toFileError(error, `cannot make ${folder}`)
    })
  }
  return logging
}

async function readOwnLogging(service: ServiceProcess, inBackground: boolean): Promise<Logging> {
  const { configuration, warnings } = await service.readLogging()
  if (inBackground || service.foregroundLog === 'configured') return { configuration, warnings }
  return { configuration: simpleConfiguration({ level: configuration.root.level }), warnings }
}
