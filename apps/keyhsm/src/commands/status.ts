import { type Command, printFields } from '@keyhsm/command-line'
import { errorTraits } from '@keyhsm/core'
import { keyHsmStatusRoute } from '@keyhsm/protocol'
import { readTextIfThere } from '../files.js'
import { pathsIn } from '../paths.js'
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
    const latched = await readTextIfThere(paths.latch)
    return { running: false, warnings: latched === undefined ? [] : [latched.trim()] }
  },
  print(result: StatusResult, io) {
    const { warnings, ...fields } = result
    printFields(
      { ...fields, ...('realms' in fields ? { realms: fields.realms.join(', ') } : {}) },
      io,
    )
    for (const warning of warnings) io.words(`warning: ${warning}`)
  },
  exitCode(result: StatusResult) {
    const serves = result.running && result.state === 'ready' && result.auditHealthy
    return serves ? 0 : errorTraits.ERR_UNAVAILABLE.exit
  },
}
