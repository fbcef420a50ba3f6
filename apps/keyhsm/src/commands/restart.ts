import { type Command, optionGiven } from '@keyhsm/command-line'
import { pathsIn } from '../paths.js'
import { readConfiguration } from '../configuration.js'
import { readLogging } from '../logging.js'
import { debugOption, type Started, startInBackground } from './start.js'
import { drainOption, readDrain, type StopOutcome, stopService, stopWords } from './stop.js'

interface RestartResult extends Started {
  readonly before: StopOutcome
}

/** Stops and starts the process. Settings and logging that cannot be read are refused while the old process still runs. */
export const restartCommand: Command = {
  name: 'restart',
  summary: 'stop the server and start it again',
  options: [drainOption, debugOption],
  async run(input): Promise<RestartResult> {
    const paths = pathsIn(input.home.keyhsm)
    const { pin, settings } = await readConfiguration(paths)
    pin.wipe()
    await readLogging(paths, settings)
    const before = await stopService(paths, readDrain(input))
    const started = await startInBackground(input, paths, optionGiven(input, debugOption.flag))
    return { before, ...started }
  },
  print({ before, ready, pid }: RestartResult, io) {
    io.words(stopWords[before])
    io.words(`${ready.replace(/^keyhsm /, '')} (pid ${pid})`)
  },
}
