import { type Command, optionText } from '@keyhsm/command-line'
import { firstName } from '../backend-names.js'
import { readShownConfiguration } from '../configuration.js'
import { readTextIfThere } from '../files.js'
import { latchOf, releaseLatch } from '../login-latch.js'
import { type Paths, pathsIn } from '../paths.js'
import { backendOption } from './key-selection.js'

interface ResetResult {
  readonly backend: string
  readonly wasLatched: boolean
  /** Other HSMs whose refused login still waits for a person. */
  readonly stillLatched: readonly string[]
}

/** A person says that the stored PIN may be tried again. */
export const loginResetCommand: Command = {
  name: 'login-reset',
  summary: 'allow one more login after the HSM refused the PIN',
  options: [{ ...backendOption, describe: 'of this HSM instead of the default one' }],
  async run(input): Promise<ResetResult> {
    const paths = pathsIn(input.home.keyhsm)
    // With broken settings too: what stands in the way may be what is being repaired.
    const known = await readShownConfiguration(paths).catch(() => undefined)
    const backend = optionText(input, backendOption.flag) ?? known?.defaultBackend ?? firstName
    const wasLatched = await releaseLatch(latchOf(paths, backend))
    const names = known?.backends.map(({ name }) => name) ?? [firstName]
    return { backend, wasLatched, stillLatched: await findLatched(paths, names) }
  },
  print({ wasLatched, stillLatched }: ResetResult, io) {
    io.words(wasLatched ? 'the next start or validate logs in once' : 'no login was refused')
    for (const name of stillLatched) {
      io.hint(`the login of ${name} was refused: keyhsm login-reset --backend ${name}`)
    }
  },
}

async function findLatched(paths: Paths, names: readonly string[]): Promise<readonly string[]> {
  const texts = await Promise.all(names.map((name) => readTextIfThere(latchOf(paths, name))))
  return names.filter((_, index) => texts[index] !== undefined)
}
