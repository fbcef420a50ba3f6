/** `ktadmin join-token`, `join` and `nodes`: the servers of an installation. */
import { originOf } from '@keyhsm/client'
import {
  type Command,
  type Input,
  type Io,
  optionText,
  optionTexts,
  printFields,
  printTable,
  requiredText,
} from '@keyhsm/command-line'
import { invalidInput, newUuid, parseDuration, parseUuid } from '@keyhsm/core'
import { joinTokenRoute, removeNodeRoute, type ReplyOf, statusRoute } from '@keyhsm/protocol'
import type { Initialised } from '../initialise.js'
import { joinInstallation } from '../nodes/join-installation.js'
import { parseJoinToken } from '../nodes/join-tokens.js'
import { pathsIn } from '../paths.js'
import { asOption, callServer } from './control.js'
import { listenOptions } from './init.js'

type Token = ReplyOf<typeof joinTokenRoute>
type Removed = ReplyOf<typeof removeNodeRoute>
type Node = NonNullable<ReplyOf<typeof statusRoute>['installation']>['nodes'][number]

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
    setsUp: true,
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
  {
    name: 'nodes list',
    summary: 'show every server of the installation, and when it last wrote to the database',
    options: [asOption],
    async run(input): Promise<readonly Node[]> {
      const { installation } = await callServer(input, statusRoute)
      return installation?.nodes ?? []
    },
    print(nodes: readonly Node[], io: Io) {
      const rows = nodes.map(({ node, name, url, ageMs, self }) => {
        const wrote = `${(ageMs / 1000).toFixed(1)} s ago`
        return { node, name, url, wrote, note: self ? 'this one' : '' }
      })
      printTable(rows, ['node', 'name', 'url', 'wrote', 'note'], io)
    },
  },
  {
    name: 'nodes remove',
    summary: 'take a server that is lost out of the installation; it serves nothing any more',
    arguments: [
      {
        name: 'NODE',
        describe: 'its uuid, as nodes list shows it',
        check: (text) => parseUuid(text, 'NODE'),
      },
    ],
    options: [asOption],
    run: (input): Promise<Removed> =>
      callServer(input, removeNodeRoute, {
        params: { node: parseUuid(input.args['NODE'] ?? '', 'NODE') },
        body: { requestId: newUuid() },
      }),
    print({ name, url, serverFingerprint }: Removed, io: Io) {
      io.words(`${name} (${url}) is out of the installation`)
      io.hint(`clients that know it go on to the others; its certificate was ${serverFingerprint}`)
      io.hint('where its machine may be in other hands: take its certificate off each Key HSM that')
      io.hint('trusts it (keyhsm trust --list, --remove F) and change the password of the database')
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
