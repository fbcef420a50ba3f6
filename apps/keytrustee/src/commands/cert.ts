/** `ktadmin cert`: the server's certificate and the authority of its clients, each with an overlap in which both are trusted. */
import { setTimeout as pause } from 'node:timers/promises'
import {
  type Command,
  certificateOptions,
  findSecret,
  type Input,
  type Io,
  type Option,
  optionGiven,
  optionText,
  printTable,
} from '@keyhsm/command-line'
import {
  DomainError,
  type Fingerprint,
  invalidInput,
  newUuid,
  parseDuration,
  parseFingerprint,
  systemClock,
} from '@keyhsm/core'
import {
  type CertificateRow,
  forgetAuthorityRoute,
  renewAuthorityRoute,
  statusRoute,
} from '@keyhsm/protocol'
import { daemonState, reloadDaemon } from '@keyhsm/service'
import { forgetAuthority, renewAuthority } from '../certificates/authorities.js'
import { certificateSources, listCertificates } from '../certificates/list-certificates.js'
import {
  findWaitingCertificate,
  prepareGivenPair,
  prepareKeyHsmPair,
} from '../certificates/key-hsm-pair.js'
import {
  missingNames,
  renewServerPair,
  replaceServerPair,
  type RollOptions,
} from '../certificates/roll-server.js'
import { pathsIn } from '../paths.js'
import { readJoinFile } from '../sealing/join-file.js'
import { readLiveState } from '../service/live-state.js'
import { readSettings } from '../settings.js'
import { asOption, callServer } from './control.js'
import { showToKeyHsm } from './show-to-key-hsm.js'

interface Rolled {
  readonly fingerprint: Fingerprint
  readonly outcome: 'in use' | 'in use at the next start' | 'in use once a Key HSM is joined'
  /** SHA-256 of the one that Key HSM need not trust any more. */
  readonly before?: Fingerprint
  /** Names by which clients reach the server and that the certificate does not hold. */
  readonly missingNames: readonly string[]
}

const serverName = 'keytrustee-server'
const takeOverMs = 10_000
const lookEveryMs = 100

const noSuccession = {
  flag: 'no-succession',
  describe: 'the key in use is not believed any more: clients must be shown the new fingerprint',
} as const

const keyHsmOption: Option = {
  flag: 'key-hsm',
  describe: 'the pair that the server shows to Key HSM, which must trust it first (keyhsm trust)',
}

const waitOption: Option = {
  flag: 'wait',
  value: 'TIME',
  describe: 'with --key-hsm: how long Key HSM is asked whether it trusts it by now, e.g. 10m',
  check: (text) => parseDuration(text, '--wait'),
}

export const certCommands: readonly Command[] = [
  {
    name: 'cert list',
    summary: 'show every certificate of the server, and when it ends',
    async run(input): Promise<readonly CertificateRow[]> {
      const paths = pathsIn(input.home.keytrustee)
      const now = systemClock.now()
      const live = await readLiveState(paths, now)
      const sources = certificateSources(live, await readJoinFile(paths))
      const keyHsmClientNext = await findWaitingCertificate(paths)
      return listCertificates({ ...sources, keyHsmClientNext }, now)
    },
    print: (certificates: readonly CertificateRow[], io) =>
      printTable(
        certificates.map(({ names, ...row }) => ({ ...row, names: names.join(',') })),
        ['role', 'subject', 'expiresAt', 'daysLeft', 'fingerprint', 'names'],
        io,
      ),
  },
  {
    name: 'cert renew',
    summary:
      'a new certificate for the server, for Key HSM, or a new authority for its clients; no request fails',
    options: [
      {
        flag: 'authority',
        describe:
          'the authority of clients; certificates of the one before are admitted until they end',
      },
      keyHsmOption,
      waitOption,
      noSuccession,
      asOption,
    ],
    run: (input) => renewOf(input),
    print: printRolled,
  },
  {
    name: 'cert replace',
    summary: 'the same for the server, or for Key HSM, with a certificate from an authority',
    options: [...certificateOptions, keyHsmOption, waitOption, noSuccession, asOption],
    run(input, io) {
      const passphrase = findSecret(input, io, {
        fileFlag: 'passphrase-file',
        prompt: 'Passphrase',
      })
      const given = {
        certificate: input.files['cert']?.toString('latin1') ?? '',
        key: input.files['key']?.toString('latin1') ?? '',
        ...(passphrase === undefined ? {} : { passphrase }),
      }
      if (optionGiven(input, 'key-hsm'))
        return showToKeyHsm(input, (paths, now) => prepareGivenPair(paths, given, now))
      requireNoWait(input)
      return roll(input, (options) => replaceServerPair(options, given))
    },
    print: printRolled,
  },
  {
    name: 'cert forget',
    summary: 'admit certificates of an earlier client authority no longer',
    arguments: [
      {
        name: 'FINGERPRINT',
        describe: 'SHA-256, as cert list shows it',
        check: (text) => parseFingerprint(text, 'FINGERPRINT'),
      },
    ],
    options: [asOption],
    async run(input) {
      const paths = pathsIn(input.home.keytrustee)
      const fingerprint = parseFingerprint(input.args['FINGERPRINT'] ?? '', 'FINGERPRINT')
      if (await sharesDatabase(input)) {
        const body = { requestId: newUuid(), fingerprint }
        await callServer(input, forgetAuthorityRoute, { body })
        return { fingerprint, outcome: 'in use' }
      }
      await forgetAuthority(paths, fingerprint)
      const isHere = hasFingerprint(fingerprint)
      const outcome = await takeOver(input, (certificates) => !isHere(certificates))
      return { fingerprint, outcome }
    },
    print: ({ outcome }: { readonly outcome: string }, io) =>
      io.words(`forgotten; ${outcome === 'in use' ? 'its clients are refused' : outcome}`),
  },
]

function renewOf(input: Input): Promise<Rolled> {
  const [authority, keyHsm] = ['authority', 'key-hsm'].map((flag) => optionGiven(input, flag))
  if (authority && keyHsm) throw invalidInput('--key-hsm', 'cannot be given with --authority')
  if (keyHsm) return showToKeyHsm(input, prepareKeyHsmPair)
  requireNoWait(input)
  return authority ? renewTheAuthority(input) : roll(input, (options) => renewServerPair(options))
}

function requireNoWait(input: Input): void {
  if (optionText(input, 'wait') !== undefined)
    throw invalidInput('--wait', 'belongs to --key-hsm: nothing else has to be waited for')
}

async function renewTheAuthority(input: Input): Promise<Rolled> {
  if (optionGiven(input, 'no-succession'))
    throw invalidInput('--no-succession', 'is about the server’s own certificate: use cert forget')
  if (await sharesDatabase(input)) {
    const body = { requestId: newUuid() }
    const renewed = await callServer(input, renewAuthorityRoute, { body })
    return {
      fingerprint: parseFingerprint(renewed.fingerprint),
      outcome: 'in use',
      missingNames: [],
    }
  }
  const fingerprint = await renewAuthority(pathsIn(input.home.keytrustee), systemClock.now())
  const outcome = await takeOver(input, hasFingerprint(fingerprint))
  return { fingerprint, outcome, missingNames: [] }
}

/** Then the running server changes the authority: the others must learn it first. */
async function sharesDatabase(input: Input): Promise<boolean> {
  return (await readSettings(pathsIn(input.home.keytrustee))).databaseUrl !== undefined
}

async function roll(
  input: Input,
  change: (options: RollOptions) => Promise<Fingerprint>,
): Promise<Rolled> {
  const paths = pathsIn(input.home.keytrustee)
  const settings = await readSettings(paths)
  const now = systemClock.now()
  const withSuccession = !optionGiven(input, 'no-succession')
  const fingerprint = await change({ paths, settings, now, withSuccession })
  const { certificate } = await readLiveState(paths, now)
  const outcome = await takeOver(input, hasFingerprint(fingerprint))
  return { fingerprint, outcome, missingNames: missingNames(certificate, settings) }
}

/**
 * A server that runs reads it now: open connections stay, new ones are shown the new certificate.
 * @throws ERR_BUSY when it has not within ten seconds; what was changed stays and counts at the next reload
 */
async function takeOver(
  input: Input,
  isDone: (certificates: readonly CertificateRow[]) => boolean,
): Promise<'in use' | 'in use at the next start'> {
  const { pidFile } = pathsIn(input.home.keytrustee)
  const runs = daemonState(pidFile).running && reloadDaemon({ name: serverName, pidFile })
  if (!runs) return 'in use at the next start'
  const deadline = performance.now() + takeOverMs
  do {
    const { certificates } = await callServer(input, statusRoute)
    if (isDone(certificates)) return 'in use'
    await pause(lookEveryMs)
  } while (performance.now() < deadline)
  throw new DomainError('ERR_BUSY', 'the server has not taken the change over yet', {
    hints: ['its log says why; then: keytrustee-server reload'],
  })
}

function hasFingerprint(wanted: Fingerprint) {
  return (certificates: readonly CertificateRow[]) =>
    certificates.some(({ fingerprint }) => fingerprint === wanted)
}

function printRolled(rolled: Rolled, io: Io): void {
  const { fingerprint, outcome, missingNames: missing, before } = rolled
  io.words(`the new certificate is ${outcome}`)
  io.words(`its SHA-256 fingerprint is ${fingerprint}`)
  for (const name of missing) io.words(`warning: it does not hold the name ${name}`)
  if (before !== undefined)
    io.hint(`in two minutes, where Key HSM runs: keyhsm trust --remove ${before}`)
}
