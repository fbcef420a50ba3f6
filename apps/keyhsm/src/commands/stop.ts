import type { Command } from '@keyhsm/command-line'
import { stopDaemon } from '@keyhsm/service'
import { pathsIn } from '../paths.js'

const timeoutMs = 20_000

interface StopResult {
  readonly outcome: 'stopped' | 'not-running' | 'killed'
}

const words: Readonly<Record<StopResult['outcome'], string>> = {
  stopped: 'stopped',
  'not-running': 'is not running',
  killed: 'did not stop in time and was killed',
}

/** Stops the service; one that does not run is as good as stopped. */
export const stopCommand: Command = {
  name: 'stop',
  summary: 'force Key HSM server to shut down',
  aliases: ['shutdown'],
  async run({ home }): Promise<StopResult> {
    const { pidFile } = pathsIn(home.keyhsm)
    return { outcome: await stopDaemon({ name: 'keyhsm', pidFile, timeoutMs }) }
  },
  print: ({ outcome }: StopResult, io) => io.words(words[outcome]),
}
