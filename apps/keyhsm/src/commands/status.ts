import { type Command, printFields } from '@keyhsm/command-line'
import { errorTraits } from '@keyhsm/core'
import { keyHsmStatusRoute } from '@keyhsm/protocol'
import { firstName } from '../backend-names.js'
import { readShownConfiguration } from '../configuration.js'
import { readTextIfThere } from '../files.js'
import { latchOf } from '../login-latch.js'
import { type Paths, pathsIn } from '../paths.js'
import type { Status } from '../service/status.js'
import { isRunning, withService } from './with-service.js'

type StatusResult =
  | ({ readonly running: true } & Status)
  | { readonly running: false; readonly warnings: string[] }

/** Says how the running service and its HSM are. Exit status 69 when it does not run or cannot serve. */
export const statusCommand: Command = {
  name: 'status',
  summary: 'show the current Key HSM server status',
  async run({ home }): Promise<StatusResult> {
    const paths = pathsIn(home.keyhsm)
    if (isRunning(paths)) {
      const status = await withService(paths, (service) => service.call(keyHsmStatusRoute, {}))
      return { running: true, ...status }
    }
    return { running: false, warnings: await findLatched(paths) }
  },
  print(result: StatusResult, io) {
    const { warnings, ...fields } = result
    printFields(fields.running ? toLines(fields) : fields, io)
    for (const warning of warnings) io.words(`warning: ${warning}`)
  },
  exitCode(result: StatusResult) {
    const serves = result.running && result.state === 'ready' && result.auditHealthy
    return serves ? 0 : errorTraits.ERR_UNAVAILABLE.exit
  },
}

/** What each latch says. */
async function findLatched(paths: Paths): Promise<string[]> {
  const known = await readShownConfiguration(paths).catch(() => undefined)
  const names = known?.backends.map(({ name }) => name) ?? [firstName]
  const texts = await Promise.all(
    names.map(async (name) => {
      const text = (await readTextIfThere(latchOf(paths, name)))?.trim()
      return text === undefined ? [] : [names.length > 1 ? `${name}: ${text}` : text]
    }),
  )
  return texts.flat()
}

/** What is a record or a list in JSON is one line for people. */
function toLines(status: Omit<Status, 'warnings'> & { readonly running: true }) {
  const { realms, log, lastError, uptimeSeconds, backends, ...fields } = status
  return {
    ...fields,
    uptime: formatUptime(uptimeSeconds),
    ...(backends.length > 1 ? { backends: backends.map(describeBackend).join('; ') } : {}),
    realms: realms.join(', '),
    log: formatLog(log),
    lastError: lastError && `${lastError.at} ${lastError.code}: ${lastError.message}`,
  }
}

function describeBackend({ name, default: isDefault, state, keys }: Status['backends'][number]) {
  return `${name}${isDefault ? ' (default)' : ''}: ${state}, ${keys} keys`
}

function formatLog({ file, level, until, debug, healthy, detail }: Status['log']): string {
  const end = until ?? (debug ? 'a restart without --debug' : '')
  return `${file}, level ${level}${end && ` until ${end}`}${healthy ? '' : `; ${detail}`}`
}

function formatUptime(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ] as const
  const from = parts.findIndex(([count]) => count > 0)
  return parts
    .slice(from < 0 ? -1 : from)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ')
}
