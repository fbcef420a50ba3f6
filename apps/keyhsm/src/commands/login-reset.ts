import type { Command } from '@keyhsm/command-line'
import { pathsIn } from '../paths.js'
import { releaseLatch } from '../login-latch.js'

interface ResetResult {
  readonly wasLatched: boolean
}

/** A person says that the stored PIN may be tried again. */
export const loginResetCommand: Command = {
  name: 'login-reset',
  summary: 'allow one more login after the HSM refused the PIN',
  run: async ({ home }): Promise<ResetResult> => ({
    wasLatched: await releaseLatch(pathsIn(home.keyhsm).latch),
  }),
  print({ wasLatched }: ResetResult, io) {
    io.words(wasLatched ? 'the next start or validate logs in once' : 'no login was refused')
  },
}
