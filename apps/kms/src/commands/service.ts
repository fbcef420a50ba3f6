/** `keytrustee-kms start|stop|reload`. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, type Input, type Io, optionGiven, printLine } from '@keyhsm/command-line'
import { DomainError } from '@keyhsm/core'
import {
  openLog,
  reloadDaemon,
  RollingFile,
  runInForeground,
  simpleConfiguration,
  startDaemon,
  stopDaemon,
} from '@keyhsm/service'
import { readLogging } from '../logging.js'
import { type Paths, pathsIn } from '../paths.js'
import { readLiveSettings } from '../service/live-settings.js'
import { startKms } from '../service/start-kms.js'
import { readSettings, type Settings } from '../settings.js'
import { pathsOf } from './folder.js'

const name = 'keytrustee-kms'
const readyTimeoutMs = 60_000
const stopTimeoutMs = 15_000

export const serviceCommands: readonly Command[] = [
  {
    name: 'start',
    summary: 'start the KMS',
    options: [{ flag: 'foreground', describe: 'stay in the foreground until stopped' }],
    run: (input, io) => (optionGiven(input, 'foreground') ? runHere(input, io) : startAway(input)),
    print(result: { readonly text?: string }, io: Io) {
      if (result.text !== undefined) printLine(result.text, io)
    },
    exitCode: (result: { readonly exit?: number }) => result.exit ?? 0,
  },
  {
    name: 'stop',
    summary: 'stop the KMS; requests under way are finished',
    async run(input) {
      const { pidFile } = pathsOf(input)
      return { state: await stopDaemon({ name, pidFile, timeoutMs: 2 * stopTimeoutMs }) }
    },
  },
  {
    name: 'reload',
    summary:
      'read settings, configuration, ACLs and certificate anew; a faulty file changes nothing',
    async run(input) {
      const paths = pathsOf(input)
      const { settings } = await readLiveSettings(paths)
      await readLogging(paths, settings)
      if (!reloadDaemon({ name, pidFile: paths.pidFile }))
        throw new DomainError('ERR_UNAVAILABLE', `${name} is not running`, {
          hints: [`start it with: ${name} start`],
        })
      return { state: 'reloading' }
    },
  },
]

/** @throws what the service itself failed with. */
async function startAway(input: Input): Promise<{ readonly pid: number; readonly text: string }> {
  const paths = pathsOf(input)
  // Checked here too: faults are told at once, with their lines.
  const { settings } = await readLiveSettings(paths)
  const { configuration } = await readLogging(paths, settings)
  await openLog({ name, configuration }).close()
  return startDaemon({
    name,
    entry: fileURLToPath(new URL('../main.js', import.meta.url)),
    args: ['start', '--foreground', ...homeArguments(input)],
    pidFile: paths.pidFile,
    readyTimeoutMs,
    logFile: join(paths.log, `${name}.out`),
  })
}

/** `--home` for the child, unless the home is the installed one, which has another form. */
function homeArguments({ home }: Input): readonly string[] {
  return pathsIn(join(home.root, name)).root === home[name] ? ['--home', home.root] : []
}

async function runHere(input: Input, io: Io): Promise<{ readonly exit: number }> {
  const paths = pathsOf(input)
  const settings = await readSettings(paths)
  await mkdir(paths.log, { recursive: true, mode: 0o700 })
  // Whoever started it in the background talks to it until it is ready.
  const daemon = process.send !== undefined
  const { configuration, warnings } = await readServiceLogging(paths, settings, daemon)
  const log = openLog({ name, configuration })
  for (const warning of warnings) log.warn({}, warning)
  const auditLog = openAuditLog(paths, settings)
  if (!daemon) io.words('running in the foreground, stop with Ctrl-C')
  const exit = await runInForeground({
    name,
    pidFile: paths.pidFile,
    log,
    stopTimeoutMs,
    start: () => startService(paths, { log, auditLog, daemon }),
  })
  auditLog.close()
  await log.close()
  return { exit }
}

/** A daemon logs as `conf/logback.xml` says; in the foreground somebody, or a service manager, looks at standard error. */
async function readServiceLogging(paths: Paths, settings: Settings, daemon: boolean) {
  const { configuration, warnings } = await readLogging(paths, settings)
  if (daemon) return { configuration, warnings }
  return { configuration: simpleConfiguration({ level: configuration.root.level }), warnings }
}

/** The lines in the old form: `kms-audit.log`, `kms-audit.log.1`, … */
function openAuditLog(
  { auditLog }: Paths,
  { logBytes = 10 * 1024 * 1024, logFiles = 10 }: Settings,
): RollingFile {
  return new RollingFile({
    path: auditLog,
    window: {
      files: Array.from({ length: logFiles }, (_, i) => `${auditLog}.${i + 1}`),
      maxBytes: logBytes,
    },
    describeLoss: (lines) => `${lines} lines lost: the log could not be written\n`,
  })
}

async function startService(
  paths: Paths,
  {
    log,
    auditLog,
    daemon,
  }: {
    readonly log: ReturnType<typeof openLog>
    readonly auditLog: RollingFile
    readonly daemon: boolean
  },
) {
  const kms = await startKms({ paths, log, writeAuditLine: (line) => auditLog.write(line) })
  const { host, port } = kms.address
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return {
    ready: `${name} is ready on ${kms.scheme}://${authority}/kms`,
    stop: (timeoutMs: number) => kms.stop(timeoutMs),
    async reload() {
      const settings = await readSettings(paths)
      const { configuration, warnings } = await readServiceLogging(paths, settings, daemon)
      await kms.reload()
      log.configure(configuration)
      for (const warning of warnings) log.warn({}, warning)
      auditLog.reopen()
    },
  }
}
