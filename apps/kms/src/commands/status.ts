/** `keytrustee-kms status`. */
import { type Command, type Io, levelText, printFields } from '@keyhsm/command-line'
import { errorTraits } from '@keyhsm/core'
import type { ReplyOf } from '@keyhsm/protocol'
import { daemonState } from '@keyhsm/service'
import { readLiveSettings } from '../service/live-settings.js'
import { kmsStatusRoute } from '../service/control-routes.js'
import { callKms } from './control.js'
import { pathsOf } from './folder.js'

type Status =
  | ({ readonly running: true } & ReplyOf<typeof kmsStatusRoute>)
  | {
      readonly running: false
      readonly remarks: readonly string[]
      readonly warnings: readonly string[]
    }

/** Exit status 69 when it does not run or cannot serve. */
export const statusCommand: Command = {
  name: 'status',
  summary: 'say how the KMS and everything it needs are doing',
  async run(input): Promise<Status> {
    const paths = pathsOf(input)
    if (!daemonState(paths.pidFile).running)
      return { running: false, remarks: (await readLiveSettings(paths)).remarks, warnings: [] }
    return { running: true, ...(await callKms(input, kmsStatusRoute)) }
  },
  print(status: Status, io: Io) {
    const { remarks, warnings } = status
    if (status.running) {
      const { remarks: _, warnings: __, log, ...fields } = status
      printFields({ ...fields, 'log level': levelText(log) }, io)
    } else printFields({ running: false }, io)
    for (const warning of warnings) io.words(`warning: ${warning}`)
    for (const remark of remarks) io.words(`note: ${remark}`)
  },
  exitCode: (status: Status) =>
    status.running && status.healthy ? 0 : errorTraits.ERR_UNAVAILABLE.exit,
}
