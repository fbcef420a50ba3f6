/** Which part of the dialogue a call of setup is about: all of it, or `--pin-only` or `--trust-only` and nothing else. */
import { type Input, optionGiven } from '@keyhsm/command-line'
import { DomainError, invalidInput, type SecretBytes } from '@keyhsm/core'
import { readSettingLines } from '@keyhsm/service'
import { commonSchema } from '../settings.js'
import { deviceSteps, generalSteps, type Question, type Step } from './dialogues.js'
import type { SetupRequest } from './read-request.js'
import type { Written } from './settings-text.js'

export interface Part {
  readonly steps: readonly Step[]
  /** The password of the keystore may change too. */
  readonly isWhole: boolean
  /** The stored password may stay. */
  readonly keepsPin: boolean
  /** The appliance is where it was. */
  readonly takesEarlier: boolean
}

interface Asked extends Written {
  /** What the present settings file says of this backend. */
  readonly settings: string | undefined
  readonly request: SetupRequest
  readonly pin: SecretBytes | undefined
}

const partFlags = ['pin-only', 'trust-only'] as const
type PartFlag = (typeof partFlags)[number]

/**
 * @throws ERR_INVALID_INPUT for two parts at once, and for whatever a part would leave aside without a word; ERR_SETTINGS for
 * a part of what was never set up.
 */
export function choosePart(input: Input, asked: Asked): Part {
  const [flag, second] = partFlags.filter((one) => optionGiven(input, one))
  if (second) throw invalidInput('--pin-only', 'or --trust-only, not both')
  const { hardware, place } = asked
  if (flag === undefined) {
    const steps = [...(place === undefined ? generalSteps : []), ...deviceSteps[hardware]]
    return { steps, isWhole: true, keepsPin: true, takesEarlier: false }
  }
  if (flag === 'trust-only' && hardware !== 'keysecure') {
    throw invalidInput('--trust-only', 'is for keysecure only')
  }
  requireSetUp(flag, asked)
  const steps = stepsOf[flag](deviceSteps[hardware].filter((step) => typeof step !== 'string'))
  requireNothingElse(flag, input, asked)
  const isTrust = flag === 'trust-only'
  return { steps, isWhole: false, keepsPin: isTrust, takesEarlier: isTrust }
}

const stepsOf: Readonly<Record<PartFlag, (questions: readonly Question[]) => Question[]>> = {
  'pin-only': (questions) => questions.filter(({ ask }) => ask === 'pin'),
  'trust-only': (questions) => questions.filter(({ ask }) => !['user', 'pin'].includes(ask)),
}

/** @throws ERR_SETTINGS where the file is for another HSM, or there is none */
function requireSetUp(flag: PartFlag, { settings, hardware }: Asked): void {
  const lines = settings === undefined ? [] : readSettingLines(settings, 'application.properties')
  const present = lines.find(({ name }) => name === commonSchema.hardware.name)?.text
  if (present === hardware) return
  const what = present === undefined ? 'nothing is set up yet' : `the settings are for ${present}`
  throw new DomainError('ERR_SETTINGS', `--${flag} changes what is set up already: ${what}`, {
    hints: [`run keyhsm setup without --${flag}`],
  })
}

/** What the part itself asks for. */
const ownAnswer: Readonly<Record<PartFlag, string>> = {
  'pin-only': 'pin-file',
  'trust-only': 'server-fingerprint',
}

/** @throws ERR_INVALID_INPUT naming the first thing that would be passed over, or changed besides */
function requireNothingElse(flag: PartFlag, input: Input, { request, pin }: Asked): void {
  const answers = [
    ...(pin === undefined ? [] : ['pin-file']),
    ...('keystore-password-file' in input.files ? ['keystore-password-file'] : []),
    ...Object.keys(request.answers),
  ].filter((one) => one !== ownAnswer[flag])
  const [other] = [...answers.map(nameAnswer), ...Object.keys(request.changes)]
  if (other === undefined) return
  throw invalidInput(`--${flag}`, `changes nothing else: give ${other} to a setup without it`)
}

function nameAnswer(answer: string): string {
  return answer === 'pin-file' ? '--pin-file or KEYHSM_PIN' : `--${answer}`
}
