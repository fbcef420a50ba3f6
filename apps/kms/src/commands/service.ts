/** `keytrustee-kms start|stop|restart|reload`. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, homeArguments, serviceCommands } from '@keyhsm/command-line'
import { localReloadRoute } from '@keyhsm/protocol'
import {
  formatAuthority,
  GatheredLines,
  type OpenLog,
  type ProcessRequests,
  requestReload,
  RollingFile,
  type RunningService,
  type ServiceProcess,
  starterOf,
  stopDaemon,
} from '@keyhsm/service'
import { readLogging } from '../logging.js'
import type { Paths } from '../paths.js'
import { readLiveSettings } from '../service/live-settings.js'
import { startKms } from '../service/start-kms.js'
import { readSettings, type Settings } from '../settings.js'
import { callKms } from './control.js'
import { pathsOf } from './folder.js'
import { logLevelCommand } from './log-level.js'

const name = 'keytrustee-kms'
const readyTimeoutMs = 60_000
const stopTimeoutMs = 15_000

const { start, stop, restart, reload } = serviceCommands({
  summaries: {
    start: 'start the KMS',
    stop: 'stop the KMS; requests under way are finished',
    restart: 'stop the KMS and start it again',
    reload:
      'read settings, configuration, ACLs and certificate anew; a faulty file changes nothing',
  },
  starter(input, io) {
    const paths = pathsOf(input)
    const away = {
      entry: fileURLToPath(new URL('../main.js', import.meta.url)),
      args: ['start', '--foreground', ...homeArguments(input, name)],
      logFile: join(paths.log, `${name}.out`),
    }
    return starterOf(processOf(paths), away, (line) => io.words(line))
  },
  stop: (input) =>
    stopDaemon({ name, pidFile: pathsOf(input).pidFile, timeoutMs: 2 * stopTimeoutMs }),
  reload: (input) =>
    requestReload(processOf(pathsOf(input)), () => callKms(input, localReloadRoute)),
})

export const startAndStop: readonly Command[] = [start, stop, restart, reload, logLevelCommand]

function processOf(paths: Paths): ServiceProcess {
  return {
    name,
    pidFile: paths.pidFile,
    folders: [paths.run, paths.log],
    readyTimeoutMs,
    stopTimeoutMs,
    async readLogging() {
      const { settings } = await readLiveSettings(paths)
      return readLogging(paths, settings)
    },
    open: (log, requests) => open(paths, log, requests),
  }
}

async function open(
  paths: Paths,
  log: OpenLog,
  requests: ProcessRequests,
): Promise<RunningService> {
  const auditLines = new GatheredLines(openAuditLog(paths, await readSettings(paths)))
  const closeOnFailure = (error: unknown): never => {
    auditLines.close()
    throw error
  }
  const kms = await startKms({
    paths,
    log,
    requestReload: () => requests.reload(),
    writeAuditLine: (line) => auditLines.write(line),
  }).catch(closeOnFailure)
  return {
    ready: `${name} is ready on ${kms.scheme}://${formatAuthority(kms.address)}/kms`,
    stop: (timeoutMs) => kms.stop(timeoutMs).finally(() => auditLines.close()),
    async reload() {
      // Opened first: where it cannot be, nothing has changed yet.
      const auditLog = openAuditLog(paths, await readSettings(paths))
      const reloaded = await kms.reload().catch((error: unknown) => {
        auditLog.close()
        throw error
      })
      auditLines.moveTo(auditLog)
      return reloaded
    },
  }
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
