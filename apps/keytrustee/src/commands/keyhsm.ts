/** `ktadmin keyhsm`: joins the running server to a Key HSM, moves what is stored unsealed, and parts from it again. */
import type { X509Certificate } from 'node:crypto'
import { fetchServerCertificate, fingerprintOf } from '@keyhsm/client'
import {
  type Command,
  findSecret,
  type Input,
  type Io,
  optionGiven,
  optionText,
  printFields,
  requiredText,
} from '@keyhsm/command-line'
import {
  DomainError,
  type Fingerprint,
  invalidInput,
  newUuid,
  parseFingerprint,
  parseHandle,
} from '@keyhsm/core'
import { type BodyOf, joinRoute, leaveRoute, planJoinRoute, type ReplyOf } from '@keyhsm/protocol'
import { confirmFinal } from './confirm-final.js'
import { asOption, callServer } from './control.js'
import { printMigration } from './migrate.js'
import { printPlan } from './plan-words.js'
import { exitCodeOf, watchMigration } from './watch-migration.js'

type Joined = ReplyOf<typeof joinRoute>
type Planned = ReplyOf<typeof planJoinRoute>
type Plan = NonNullable<Planned['plan']>
type Names = NonNullable<BodyOf<typeof planJoinRoute>['names']>
type Left = ReplyOf<typeof leaveRoute>

export const keyHsmCommand: Command = {
  name: 'keyhsm',
  summary:
    'join the running server to a Key HSM; the whole way is checked before anything is saved',
  options: [
    { flag: 'server', value: 'URL', describe: 'https://host:port of the Key HSM' },
    {
      flag: 'client-certfile',
      value: 'F',
      file: true,
      describe: 'certificate shown to Key HSM (default: the pair made by ktadmin init)',
    },
    { flag: 'client-keyfile', value: 'F', file: true, secret: true, describe: 'its private key' },
    {
      flag: 'passphrase',
      describe: 'the private key is password-protected: ask for the passphrase',
    },
    {
      flag: 'passphrase-file',
      value: 'F',
      file: true,
      secret: true,
      describe: 'file with the passphrase, or -',
    },
    { flag: 'trust', describe: 'trust the certificate that Key HSM shows' },
    {
      flag: 'fingerprint',
      value: 'F',
      describe: 'SHA-256 fingerprint it must have (keyhsm status shows it)',
      check: (text) => parseFingerprint(text, '--fingerprint'),
    },
    {
      flag: 'yes',
      short: 'y',
      describe: 'do not ask: with --trust about the certificate; about moving deposits',
    },
    {
      flag: 'dry-run',
      describe: 'check the way and say which deposits would be moved; change nothing',
    },
    {
      flag: 'map',
      value: 'FILE',
      file: true,
      describe:
        'other names for deposits whose names break the rules: lines of uuid or name, a space, and the new name',
    },
    {
      flag: 'keep-former',
      describe: 'keep the unsealed deposits until ktadmin migrate finish or rollback',
    },
    {
      flag: 'leave',
      describe: 'part from Key HSM, once ktadmin migrate --to pass-through is finished',
    },
    asOption,
  ],
  async run(input, io): Promise<Joined | Planned | Left> {
    if (optionGiven(input, 'leave'))
      return callServer(input, leaveRoute, { body: { requestId: newUuid() } })
    const body = await readWay(input, io)
    const planned = await callServer(input, planJoinRoute, { body })
    if (optionGiven(input, 'dry-run')) return planned
    if (planned.plan) await askToMigrate(planned.plan, input, io)
    const how = {
      ...(planned.plan ? { migrate: true } : {}),
      ...(optionGiven(input, 'keep-former') ? { keepFormer: true } : {}),
    }
    const joined = await callServer(input, joinRoute, { body: { ...body, ...how } })
    if (!joined.migration) return joined
    say(io, 'Migrating hsm deposits...')
    const migration = await watchMigration(input, io, joined.migration.uuid)
    if (migration.failed === 0) say(io, 'Migration Complete!')
    return { ...joined, migration }
  },
  print(result: Joined | Planned | Left, io: Io) {
    if ('sealing' in result) printFields({ sealing: result.sealing }, io)
    else if ('url' in result) printJoined(result, io)
    else if (result.plan) printPlan(result.plan, io)
    else io.words('no deposit would have to be moved')
  },
  exitCode: (result: Joined | Planned | Left) =>
    'migration' in result && result.migration ? exitCodeOf(result.migration) : 0,
}

function printJoined(joined: Joined, io: Io): void {
  const { url, realm, device, scope, kind, joinedAt, migration } = joined
  printFields({ url, realm, device, scope, kind, joined: joinedAt }, io)
  for (const warning of warningsOf(joined)) io.words(`warning: ${warning}`)
  if (migration) printMigration(migration, io)
}

/** The address, once its certificate is accepted. */
async function readWay(input: Input, io: Io): Promise<BodyOf<typeof planJoinRoute>> {
  const url = requiredText(input, 'server')
  const certificate = await fetchServerCertificate(url)
  await acceptCertificate(certificate, input, io)
  const passphrase = await readPassphrase(input, io)
  const names = readNames(input)
  return {
    ...(names.length === 0 ? {} : { names }),
    url,
    serverCertificate: certificate.toString(),
    ...textOf(input, 'client-certfile', 'clientCertificate'),
    ...textOf(input, 'client-keyfile', 'clientKey'),
    ...(passphrase === undefined ? {} : { passphrase }),
  }
}

/** The words of the manual. @see Key HSM manual, "Integrating Key HSM with Key Trustee Server" */
const found = [
  'Some deposits were found that will need to be moved to the HSM.',
  'Note that although this operation can be interrupted, once complete,',
  'items stored in the HSM must remain there!',
]

/** @throws ERR_CONFLICT for deposits in the way, ERR_NOT_ALLOWED after a no, ERR_INVALID_INPUT where nobody can be asked: nothing was changed */
async function askToMigrate(plan: Plan, input: Input, io: Io): Promise<void> {
  for (const line of found) say(io, line)
  io.hint('here there is a way back all the same: ktadmin migrate --to pass-through')
  if (plan.offending > 0) {
    printPlan(plan, { ...io, stdout: io.stderr })
    const said = `${plan.offending} deposits cannot be moved: nothing was changed`
    throw new DomainError('ERR_CONFLICT', said)
  }
  const question = 'Do you want to perform this migration now? [y/N]: '
  await confirmFinal(question, optionGiven(input, 'yes'), io)
}

/** As the old product printed it: without a program's name before it. */
function say(io: Io, line: string): void {
  io.stderr.write(`${line}\n`)
}

function warningsOf({ sharesServerCertificate, hardware, durableKeys }: Joined): string[] {
  return [
    ...(sharesServerCertificate
      ? ['the key shown to Key HSM is also the one clients see: a pair of its own is safer']
      : []),
    ...(hardware ? [] : ['this HSM is software: for development and tests']),
    ...(durableKeys ? [] : ['this HSM may lose new keys in a power cut']),
  ]
}

/** @throws ERR_INVALID_INPUT with both fingerprints when it is another than expected; ERR_NOT_ALLOWED after a no. */
async function acceptCertificate(
  certificate: X509Certificate,
  input: Input,
  io: Io,
): Promise<void> {
  const shown = fingerprintOf(certificate)
  const expected = optionText(input, 'fingerprint')
  if (expected !== undefined) return requireFingerprint(shown, expected)
  const subject = certificate.subject.replaceAll('\n', ', ')
  io.words(`Key HSM shows the certificate of ${subject}, valid until ${certificate.validTo}`)
  io.words(`its SHA-256 fingerprint is ${shown}`)
  if (optionGiven(input, 'trust') && optionGiven(input, 'yes')) return
  if (!io.isTerminal)
    throw invalidInput('--fingerprint', 'is needed where nobody can be asked (or --trust --yes)')
  const answer = await io.ask('Is it the one that keyhsm status shows? [y/N] ')
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new DomainError(
      'ERR_NOT_ALLOWED',
      'the certificate was not accepted: nothing was changed',
    )
}

function requireFingerprint(shown: Fingerprint, expected: string): void {
  const wanted = parseFingerprint(expected, '--fingerprint')
  if (shown === wanted) return
  throw new DomainError(
    'ERR_INVALID_INPUT',
    'this is another server than expected: nothing was sent',
    {
      faults: [{ field: '--fingerprint', rule: 'must be that of the certificate Key HSM shows' }],
      hints: [`expected ${wanted}`, `shown    ${shown}`],
    },
  )
}

/** One line a deposit; empty ones, and those that begin with `# `, are passed over. @throws ERR_INVALID_INPUT with the line's number */
function readNames({ files }: Input): Names {
  const lines = files['map']?.toString('utf8').split(/\r?\n/) ?? []
  return lines.flatMap((line, index) => {
    if (line.trim() === '' || /^#(\s|$)/.test(line)) return []
    const [, deposit, handle] = /^(.*\S)\s+(\S+)\s*$/.exec(line) ?? []
    const where = `line ${index + 1}`
    if (deposit === undefined || handle === undefined)
      throw invalidInput('--map', `${where} must have a uuid or name, a space, and the new name`)
    return [{ deposit, handle: parseHandle(handle, `--map, ${where}`) }]
  })
}

async function readPassphrase(input: Input, io: Io): Promise<string | undefined> {
  const given = findSecret(input, io, {
    fileFlag: 'passphrase-file',
    env: 'KEYTRUSTEE_CLIENT_KEY_PASSPHRASE',
    prompt: 'Passphrase',
  })
  if (given !== undefined || !optionGiven(input, 'passphrase')) return given
  return io.askSecret('Passphrase of the client key: ')
}

function textOf<const Name extends string>(
  input: Input,
  flag: string,
  name: Name,
): Partial<Record<Name, string>> {
  const file = input.files[flag]
  return file === undefined ? {} : ({ [name]: file.toString('utf8') } as Record<Name, string>)
}
