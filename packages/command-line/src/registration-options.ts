/** The options of every command that registers a client with a Trustee Server, and what they say. */
import { type Fingerprint, invalidInput, parseFingerprint, parseShortName } from '@keyhsm/core'
import { optionGiven, optionText } from './input.js'
import { findSecret } from './read-secret.js'
import type { Input, Io, Option } from './records.js'

const maxSecretBytes = 4096

/** What shows that a client may register. */
const proofOptions: readonly Option[] = [
  {
    flag: 'auth-file',
    value: 'F',
    describe: "file with the organisation's auth secret, - for standard input",
    file: true,
    secret: true,
    maxBytes: maxSecretBytes,
  },
  {
    flag: 'code-file',
    value: 'F',
    describe: 'file with the code of `ktadmin client reenrol`, for a client that lost its keys',
    file: true,
    secret: true,
    maxBytes: maxSecretBytes,
  },
]

/** What a command that registers takes, its own options aside. */
export function registrationOptions(o: {
  /** @throws ERR_INVALID_INPUT naming `--server`. */
  readonly checkServer: (text: string) => unknown
  /** As what a client registers by default, in words. */
  readonly defaultName: string
}): readonly Option[] {
  return [
    {
      flag: 'server',
      value: 'URL',
      describe: 'https://host:11371 of the Trustee Server, or of several, separated by commas',
      check: o.checkServer,
    },
    {
      flag: 'org',
      value: 'O',
      describe: 'name of the organisation',
      check: (text) => parseShortName(text, '--org'),
    },
    ...proofOptions,
    {
      flag: 'server-fingerprint',
      value: 'F',
      describe:
        "SHA-256 fingerprint of the server's certificate; of several servers: separated by commas",
      check: (text) =>
        text.split(',').forEach((each) => parseFingerprint(each.trim(), '--server-fingerprint')),
    },
    {
      flag: 'recovery-fingerprint',
      value: 'F',
      describe: 'SHA-256 of the recovery recipient (ktadmin org set-recovery): seal for it besides',
      check: (text) => parseFingerprint(text, '--recovery-fingerprint'),
    },
    {
      flag: 'cacert',
      value: 'F',
      describe: "the server's certificate or the CA that issued it, PEM",
      file: true,
      maxBytes: 1024 * 1024,
    },
    {
      flag: 'clientname',
      value: 'N',
      describe: `name of this client, by default ${o.defaultName}`,
      check: (text) => parseShortName(text, '--clientname'),
    },
    {
      flag: 'yes',
      short: 'y',
      describe: 'take the server that answers, without comparing its fingerprint',
    },
  ]
}

/** Auth secret or code, whichever was given. @throws ERR_INVALID_INPUT for both */
export function enrolmentProofOf(
  input: Input,
  io: Pick<Io, 'env'>,
): { readonly auth?: string; readonly code?: string } {
  const code = findSecret(input, io, { fileFlag: 'code-file', prompt: 'Code' })
  const auth = findSecret(input, code === undefined ? io : { env: {} }, {
    flag: 'auth',
    fileFlag: 'auth-file',
    env: 'KEYTRUSTEE_AUTH',
    prompt: 'Auth secret',
  })
  if (code === undefined) return auth === undefined ? {} : { auth }
  if (auth !== undefined) throw invalidInput('--code-file', 'cannot be combined with --auth-file')
  return { code }
}

/** What was given to recognise the server by; `pinned` is what an earlier call pinned. */
export function recognitionOf(input: Input, pinned: string | undefined) {
  const fingerprint = optionText(input, 'server-fingerprint')
  return {
    fingerprint,
    cacert: input.files['cacert']?.toString('utf8'),
    // A fingerprint given now counts more than what an earlier call pinned.
    pinned: fingerprint === undefined ? pinned : undefined,
    takeIt: optionGiven(input, 'yes'),
  }
}

/** The recovery recipient that was asked for. */
export function recoveryFingerprintOf(input: Input): Fingerprint | undefined {
  const text = optionText(input, 'recovery-fingerprint')
  return text === undefined ? undefined : parseFingerprint(text, '--recovery-fingerprint')
}
