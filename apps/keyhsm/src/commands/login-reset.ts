import { type Command, type Input, optionText } from '@keyhsm/command-line'
import { firstName } from '../backend-names.js'
import { readShownConfiguration } from '../configuration.js'
import { latchOf, releaseLatch } from '../login-latch.js'
import { type Paths, pathsIn } from '../paths.js'
import { backendOption } from './key-selection.js'

interface ResetResult {
  readonly wasLatched: boolean
}

/** A person says that the stored PIN may be tried again. */
export const loginResetCommand: Command = {
  name: 'login-reset',
  summary: 'allow one more login after the HSM refused the PIN',
  options: [{ ...backendOption, describe: 'of this HSM instead of the default one' }],
  async run(input): Promise<ResetResult> {
    const paths = pathsIn(input.home.keyhsm)
    return { wasLatched: await releaseLatch(await findLatch(paths, input)) }
  },
  print({ wasLatched }: ResetResult, io) {
    io.words(wasLatched ? 'the next start or validate logs in once' : 'no login was refused')
  },
}

/** With broken settings too: what stands in the way may be what is being repaired. */
async function findLatch(paths: Paths, input: Input): Promise<string> {
  const given = optionText(input, backendOption.flag)
  if (given !== undefined) return latchOf(paths, given)
  const known = await readShownConfiguration(paths).catch(() => undefined)
  return latchOf(paths, known?.defaultBackend ?? firstName)
}
