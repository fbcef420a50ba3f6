/** `ktadmin join-token` and `ktadmin join`: a further server of an installation. */
import { originOf } from '@keyhsm/client'
import {
  type Command,
  type Input,
  type Io,
  optionText,
  optionTexts,
  printFields,
  requiredText,
} from '@keyhsm/command-line'
import { invalidInput, newUuid, parseDuration } from '@keyhsm/core'
import { joinTokenRoute, type ReplyOf } from '@keyhsm/protocol'
import type { Initialised } from '../initialise.js'
import { joinInstallation } from '../nodes/join-installation.js'
import { parseJoinToken } from '../nodes/join-tokens.js'
import { pathsIn } from '../paths.js'
import { asOption, callServer } from './control.js'
import { listenOptions } from './init.js'

type Token = ReplyOf<typeof joinTokenRoute>

export const nodeCommands: readonly Command[] = [
  {
    name: 'join-token',
    summary: 'make a one-time token with which a further server joins this installation',
    options: [
      {
        flag: 'valid',
        value: 'TIME',
        describe: 'how long it may be used, 1m to 7d (default 1h)',
        check: validMs,
      },
      asOption,
    ],
    run: (input): Promise<Token> =>
      callServer(input, joinTokenRoute, {
        body: { requestId: newUuid(), validMs: validMs(optionText(input, 'valid') ?? '1h') },
      }),
    print({ token, expiresAt }: Token, io: Io) {
      io.stdout.write(`${token}\n`)
      io.words(
        `it can be used once, until ${expiresAt}; who has it gets the installation’s secrets`,
      )
      io.hint('on the further server: ktadmin join --server URL --token-file FILE')
    },
  },
  {
    name: 'join',
    summary: 'make this home a further server of an installation',
    options: [
      {
        flag: 'server',
        value: 'URL',
        describe: 'https://host:11371 of the server that made the token',
        check: (text) => originOf(text, '--server'),
      },
      {
        flag: 'token-file',
        value: 'F',
        file: true,
        secret: true,
        maxBytes: 4096,
        describe: 'file with the token of ktadmin join-token, - for standard input',
      },
      ...listenOptions,
    ],
    run: join,
    print({ serverFingerprint }: Initialised, io: Io) {
      printFields({ 'server fingerprint (SHA-256)': serverFingerprint }, io)
      io.hint(
        'let its own Key HSM, on the same partition, know it: keyhsm trust CERTIFICATE --realm R',
      )
      io.hint('then: keytrustee-server start; ktadmin keyhsm --server URL --trust')
    },
  },
]

function join(input: Input): Promise<Initialised> {
  const text = input.files['token-file']?.toString('utf8').trim()
  if (text === undefined) throw invalidInput('--token-file', 'is required')
  const host = optionText(input, 'address')
  const port = optionText(input, 'port')
  return joinInstallation(pathsIn(input.home.keytrustee), {
    server: originOf(requiredText(input, 'server'), '--server'),
    token: parseJoinToken(text, '--token-file'),
    externalAddresses: optionTexts(input, 'external-address'),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
  })
}

function validMs(text: string): number {
  const ms = parseDuration(text, '--valid')
  if (ms < 60_000 || ms > 7 * 86_400_000) throw invalidInput('--valid', 'must be from 1m to 7d')
  return ms
}
