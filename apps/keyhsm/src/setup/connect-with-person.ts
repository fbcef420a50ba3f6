/**
 * The last check of a setup is the setup itself: connect, log in once, prepare the partition, save. What the device refuses is
 * told, and a person is asked again for what was refused: three times in all, each login with a password just typed.
 */
import { type DomainError, hasCode, toDomainError } from '@keyhsm/core'
import { type Answers, toChanges } from './answers.js'
import type { AnswerName, Step } from './dialogues.js'
import { type DialogueOptions, maxTries, runDialogue, sayWhy } from './run-dialogue.js'
import { setUp, type SetUpOptions, type SetUpResult } from './set-up.js'

export interface PersonAt {
  readonly answers: Answers
  readonly dialogue: DialogueOptions
  readonly steps: readonly Step[]
}

/** Takes ownership of `o.pin`. @throws what the last try failed with; then nothing was saved. */
export async function connectWithPerson(o: SetUpOptions, at: PersonAt): Promise<SetUpResult> {
  const { hardware } = o
  let { answers } = at
  let { pin } = o
  try {
    for (let tries = 1; ; tries += 1) {
      try {
        const changes = { ...o.changes, ...toChanges(answers, hardware) }
        return await setUp({ ...o, pin, changes })
      } catch (thrown) {
        const error = toDomainError(thrown)
        const again = at.steps.filter((step) => isToBlame(step, error))
        if (!at.dialogue.person || again.length === 0 || tries === maxTries) throw error
        sayWhy(at.dialogue.io, error)
        const asked = await askAgain(again, { ...at, answers })
        answers = { ...answers, ...asked.answers }
        if (asked.pin !== undefined) {
          pin?.wipe()
          pin = asked.pin
        }
      }
    }
  } finally {
    pin?.wipe()
  }
}

/** Which questions a refusal puts again. */
const blamed: readonly (readonly [DomainError['code'], readonly AnswerName[]])[] = [
  ['ERR_HSM_LOGIN', ['user', 'pin']],
  ['ERR_SETTINGS', ['slot', 'library-parameters', 'token-label']],
  ['ERR_HSM_UNAVAILABLE', ['slot', 'token-label']],
]

function isToBlame(step: Step, error: DomainError): boolean {
  return blamed.some(
    ([code, names]) => hasCode(error, code) && typeof step !== 'string' && names.includes(step.ask),
  )
}

async function askAgain(steps: readonly Step[], { dialogue, answers }: PersonAt) {
  const earlier = { ...dialogue.earlier, ...answers }
  return await runDialogue(steps, {
    ...dialogue,
    given: {},
    earlier,
    pin: undefined,
    keepsPin: false,
  })
}
