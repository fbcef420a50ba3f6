import { type Command, optionGiven } from '@keyhsm/command-line'
import { pathsIn } from '../paths.js'
import { readShownConfiguration } from '../configuration.js'
import { readLiveState } from '../service/live-state.js'
import { keystorePasswordOption, withKeystorePassword } from './keystore-access.js'
import { debugOption, type Started, startInBackground } from './start.js'
import { drainOption, readDrain, type StopOutcome, stopService, stopWords } from './stop.js'

interface RestartResult extends Started {
  readonly before: StopOutcome
}

/** Stops and starts the process. Settings and logging that cannot be read are refused while the old process still runs. */
export const restartCommand: Command = {
  name: 'restart',
  summary: 'stop the server and start it again',
  options: [drainOption, debugOption, keystorePasswordOption],
  async run(input, io): Promise<RestartResult> {
    const paths = pathsIn(input.home.keyhsm)
    const configuration = await readShownConfiguration(paths)
    const env = await withKeystorePassword(input, io, paths)
    // What would keep the new process from starting is refused while the old one runs.
    await readLiveState(paths, env, configuration)
    const before = await stopService(paths, readDrain(input))
    const started = await startInBackground(input, {
      paths,
      env,
      debug: optionGiven(input, debugOption.flag),
    })
    return { before, ...started }
  },
  print({ before, ready, pid }: RestartResult, io) {
    io.words(stopWords[before])
    io.words(`${ready.replace(/^keyhsm /, '')} (pid ${pid})`)
  },
}
