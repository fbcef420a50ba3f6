/** `ktadmin org set-recovery`: the offline recipient for which clients seal besides. */
import { resolve } from 'node:path'
import {
  createPrivateFile,
  fingerprintOfRecipient,
  formatFingerprint,
  makeRecoveryIdentity,
} from '@keyhsm/client'
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  optionText,
  printFields,
} from '@keyhsm/command-line'
import { DomainError, invalidInput, parseShortName, toDomainError } from '@keyhsm/core'
import { setRecoveryRoute } from '@keyhsm/protocol'
import { asOption, callServer } from './control.js'

interface Recovery {
  readonly name: string
  readonly recipient?: string
  /** SHA-256 of the recipient's text: what clients pin. */
  readonly fingerprint?: string
  /** Where the identity was written. */
  readonly identity?: string
}

export const recoveryCommand: Command = {
  name: 'org set-recovery',
  summary: 'name the offline age recipient for which clients seal besides, against lost keys',
  arguments: [
    {
      name: 'name',
      describe: 'name of the organisation',
      check: (text) => parseShortName(text, 'name'),
    },
  ],
  options: [
    { flag: 'recipient', value: 'age1pq1…', describe: 'recipient whose identity you keep' },
    { flag: 'generate', describe: 'make an identity here; it is written to --out only' },
    { flag: 'out', value: 'FILE', describe: 'with --generate: new file (0600) for the identity' },
    { flag: 'none', describe: 'no recipient any more; what was sealed stays as it is' },
    asOption,
  ],
  run: setRecovery,
  print: (recovery: Recovery, io) => printFields({ ...recovery }, io),
}

async function setRecovery(input: Input, io: Io): Promise<Recovery> {
  const name = input.args['name'] ?? ''
  const { recipient, identity } = await readWish(input, name)
  const body = recipient === undefined ? {} : { recipient }
  await callServer(input, setRecoveryRoute, { params: { name }, body }).catch((error: unknown) => {
    throw identity === undefined ? error : keepIdentity(error, identity)
  })
  if (recipient === undefined) return { name }
  const fingerprint = formatFingerprint(fingerprintOfRecipient(recipient))
  if (identity !== undefined)
    io.hint(`keep it off the network: ${identity} opens every content that is sealed for it`)
  io.hint('clients seal for it once they pinned it: keytrustee recovery --fingerprint FINGERPRINT')
  return { name, recipient, fingerprint, ...(identity === undefined ? {} : { identity }) }
}

/** The identity was made and the server did not take its recipient: it can be given again. */
function keepIdentity(error: unknown, identity: string): DomainError {
  const { code, message, cause, faults, hints } = toDomainError(error)
  const more = `the identity is in ${identity}: repeat with --recipient and the recipient there, or remove it`
  return new DomainError(code, message, { cause, faults, hints: [...hints, more] })
}

/** @throws ERR_INVALID_INPUT unless exactly one way is chosen. */
async function readWish(
  input: Input,
  name: string,
): Promise<{ readonly recipient?: string; readonly identity?: string }> {
  const given = optionText(input, 'recipient')
  const ways = [given !== undefined, optionGiven(input, 'generate'), optionGiven(input, 'none')]
  if (ways.filter((chosen) => chosen).length !== 1)
    throw invalidInput('--recipient', 'or --generate or --none must be given, one of them')
  const out = optionText(input, 'out')
  if (optionGiven(input, 'generate')) return generate(name, out)
  if (out !== undefined) throw invalidInput('--out', 'needs --generate')
  return given === undefined ? {} : { recipient: given.trim() }
}

/** The identity is on the disk before anybody seals for it. */
async function generate(name: string, out: string | undefined) {
  if (out === undefined) throw invalidInput('--out', 'is required with --generate')
  const path = resolve(out)
  const { recipient, file } = await makeRecoveryIdentity(name)
  const made = await createPrivateFile(path, file).catch((error: unknown) => {
    throw new DomainError('ERR_INVALID_INPUT', `--out cannot be written: ${path}`, { cause: error })
  })
  if (!made) throw invalidInput('--out', `must not exist: ${path}`)
  return { recipient, identity: path }
}
