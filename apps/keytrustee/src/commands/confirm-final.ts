import type { Io } from '@keyhsm/command-line'
import { DomainError } from '@keyhsm/core'

/** Asks before what cannot be undone. @throws ERR_INVALID_INPUT where nobody can be asked; ERR_NOT_ALLOWED after a no. */
export async function confirmFinal(question: string, yes: boolean, io: Io): Promise<void> {
  if (yes) return
  if (!io.isTerminal)
    throw new DomainError('ERR_INVALID_INPUT', 'this is final: say --yes', {
      faults: [{ field: '--yes', rule: 'is needed where nobody can be asked' }],
    })
  const answer = await io.ask(question)
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new DomainError('ERR_NOT_ALLOWED', 'nothing was changed')
}
