import {
  type Command,
  findSecret,
  type Input,
  type Io,
  optionGiven,
  optionText,
  printFields,
  printLine,
} from '@keyhsm/command-line'
import { invalidInput, SecretBytes, systemClock } from '@keyhsm/core'
import { findPlace, type Place, viewOf } from '../backend-names.js'
import { readTextIfThere } from '../files.js'
import { type Paths, pathsIn } from '../paths.js'
import { type Hardware, secretSettings } from '../settings.js'
import { readEarlierAnswers, toChanges, type Answers } from '../setup/answers.js'
import { choosePart } from '../setup/choose-part.js'
import { connectWithPerson } from '../setup/connect-with-person.js'
import { closingLines } from '../setup/dialogues.js'
import { makeChecks } from '../setup/make-checks.js'
import { readKeystorePassword } from '../setup/read-keystore-password.js'
import { findUnasked, readRequest, type SetupRequest } from '../setup/read-request.js'
import { type DialogueOptions, runDialogue } from '../setup/run-dialogue.js'
import { previewSettings, type SetUpOptions, type SetUpResult } from '../setup/set-up.js'
import { findUnread, hasPassword } from '../setup/settings-text.js'
import { quietLog } from './quiet-log.js'
import { parseHardware, setupOptions } from '../setup/options.js'
import { withKeystorePassword } from './keystore-access.js'
import { isRunning } from './with-service.js'

const pinSource = { fileFlag: 'pin-file', env: 'KEYHSM_PIN', prompt: 'HSM PIN' } as const

interface Done extends SetUpResult {
  /** Everything was said in the dialogue already, but for its last lines. */
  readonly person?: true
}

type Result = Done | { readonly wouldWrite: string }

/**
 * Connects to an HSM for real, prepares its partition and saves the settings; running it again keeps what is there. At a
 * terminal it asks, in the manual's words, unless the password is given.
 */
export const setupCommand: Command = {
  name: 'setup',
  summary: 'set up a new connection to an HSM',
  setsUp: true,
  arguments: [
    {
      name: 'HSM',
      describe: 'keysecure, thales, luna, cloudhsm, softhsm, nss or soft-token',
      check: parseHardware,
    },
  ],
  options: setupOptions,
  async run(input, io): Promise<Result> {
    const hardware = parseHardware(input.args['HSM'] ?? '')
    const paths = pathsIn(input.home.keyhsm)
    const file = await readTextIfThere(paths.settings)
    const place = findPlace(file, optionText(input, 'backend'))
    const settings = file === undefined ? undefined : viewOf(file, place)
    const request = readRequest(input, { hardware, place })
    nameUnread(settings, hardware, io)
    const given = findSecret(input, io, pinSource)
    const pin = given === undefined ? undefined : SecretBytes.own(Buffer.from(given, 'utf8'))
    const person = io.isTerminal && !io.json && given === undefined
    try {
      return await runSetup(input, io, { hardware, place, paths, settings, request, pin, person })
    } finally {
      pin?.wipe()
    }
  },
  print(result: Result, io) {
    if ('wouldWrite' in result) io.stdout.write(result.wouldWrite)
    else printDone(result, io)
  },
}

interface Call {
  readonly hardware: Hardware
  readonly place: Place
  readonly paths: Paths
  /** What the present settings file says of this backend. */
  readonly settings: string | undefined
  readonly request: SetupRequest
  readonly pin: SecretBytes | undefined
  readonly person: boolean
}

async function runSetup(input: Input, io: Io, call: Call): Promise<Result> {
  const { hardware, place, paths, settings, request, person } = call
  const only = choosePart(input, call)
  const unasked = await findUnasked(io, { home: paths.home, settings, hardware, place })
  const earlier = readEarlierAnswers(settings, hardware)
  const dialogue: DialogueOptions = {
    hardware,
    io,
    person,
    given: only.takesEarlier ? { ...earlierPlace(earlier), ...request.answers } : request.answers,
    earlier,
    pin: call.pin,
    keepsPin: only.keepsPin && hasPassword(settings, hardware),
    ...makeChecks({
      io,
      now: systemClock.now(),
      ownPort: isRunning(paths) ? Number(earlier.port) : undefined,
    }),
  }
  // The option of setup is the new password: the present one is asked for.
  const env = await withKeystorePassword({ files: {}, options: {} }, io, paths)
  const keystorePassword = only.isWhole ? await findKeystorePassword(input, io, call) : undefined
  const { answers, pin } = await runDialogue(only.steps, dialogue)
  const changes = { ...unasked, ...request.changes }
  const o: SetUpOptions = {
    paths,
    hardware,
    place,
    pin,
    changes,
    env,
    log: quietLog,
    clock: systemClock,
    force: optionGiven(input, 'force'),
    ...(keystorePassword === undefined ? {} : { keystorePassword }),
  }
  if (optionGiven(input, 'dry-run')) {
    const wanted = { ...changes, ...toChanges(answers, hardware) }
    const preview = previewSettings({ ...o, changes: wanted })
    return { wouldWrite: await preview.finally(() => pin?.wipe()) }
  }
  const result = await connectWithPerson(o, { answers, dialogue, steps: only.steps })
  if (isRunning(paths)) io.words('the service runs: keyhsm reload, or restart for what it names')
  return person ? { ...result, person } : result
}

/** The keystore belongs to no backend. */
async function findKeystorePassword(input: Input, io: Io, { place, settings, person }: Call) {
  if (place === undefined) return await readKeystorePassword(input, io, { settings, person })
  if (input.files['keystore-password-file'] === undefined) return undefined
  throw invalidInput('--keystore-password-file', 'is given without --backend')
}

/** Where the appliance was, but not what it showed. */
function earlierPlace(earlier: Answers): Answers {
  const { 'server-fingerprint': _, ...place } = earlier
  return place
}

/** Each line of an old file that does not go on, before anything is asked. */
function nameUnread(settings: string | undefined, hardware: Hardware, io: Io): void {
  if (settings === undefined) return
  for (const { line, name, why } of findUnread(settings, hardware)) {
    const cure = name === secretSettings[hardware].name ? ': it is asked for anew' : ''
    io.words(`warning: application.properties line ${line}: ${name} ${why}${cure}`)
  }
}

function printDone({ person, keysMade, warnings, ...fields }: Done, io: Io): void {
  for (const warning of warnings) io.words(`warning: ${warning}`)
  if (!person) {
    printFields(fields, io)
    for (const label of keysMade) printLine(`made ${label}`, io)
  }
  for (const line of closingLines[fields.hardware]) printLine(line, io)
}
