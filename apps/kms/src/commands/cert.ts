/** `keytrustee-kms cert`: what this instance shows, and other certificates to show to the Trustee Server and to Hadoop. */
import { X509Certificate } from 'node:crypto'
import { readLocalClient, renewClient } from '@keyhsm/client'
import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  optionText,
  optionTexts,
  printTable,
} from '@keyhsm/command-line'
import { invalidInput, systemClock } from '@keyhsm/core'
import { localReloadRoute } from '@keyhsm/protocol'
import { certificateFingerprint, daemonState, daysUntil } from '@keyhsm/service'
import { readOldServerPair } from '../identity/old-server-pair.js'
import {
  findNextPair,
  prepareNextPair,
  useGivenPair,
  useNextPair,
} from '../identity/server-pair.js'
import type { Paths } from '../paths.js'
import { readLiveSettings } from '../service/live-settings.js'
import { readSettings } from '../settings.js'
import { callKms } from './control.js'
import { pathsOf } from './folder.js'

interface Row {
  readonly role: 'server' | 'next server' | 'client'
  readonly subject: string
  readonly expiresAt: string
  readonly daysLeft: number
  readonly fingerprint: string
}

interface Renewed extends Omit<Row, 'role'> {
  readonly outcome: 'in use' | 'in use at the next start' | 'waiting'
  /** File of a certificate that waits. */
  readonly path?: string
}

export const certCommands: readonly Command[] = [
  {
    name: 'cert list',
    summary:
      'show the certificate for Hadoop and the one for the Trustee Server, and when they end',
    run: (input) => listCertificates(pathsOf(input)),
    print: (rows: readonly Row[], io) =>
      printTable(
        rows.map((row) => ({ ...row })),
        ['role', 'subject', 'expiresAt', 'daysLeft', 'fingerprint'],
        io,
      ),
  },
  {
    name: 'cert renew',
    summary:
      'another certificate for the Trustee Server, also when the present one has ended; no request fails',
    options: [
      {
        flag: 'server',
        describe: 'the certificate for Hadoop instead: lay the next one down for its truststores',
      },
      {
        flag: 'now',
        describe: 'with --server: put it in use; clients that do not know it yet refuse it',
      },
      {
        flag: 'host',
        value: 'NAME',
        describe: 'with --server: a further name or address by which clients reach this instance',
        repeatable: true,
      },
    ],
    run: (input, io) => (optionGiven(input, 'server') ? renewServer(input, io) : renew(input)),
    print: printRenewed,
  },
  {
    name: 'cert import',
    summary: 'show Hadoop the certificate that an old KMS showed, out of its Java keystore',
    options: [
      {
        flag: 'ssl-server',
        value: 'F',
        file: true,
        required: true,
        describe: 'ssl-server.xml of the old KMS: where the keystore is, and its passwords',
      },
      {
        flag: 'keystore',
        value: 'F',
        file: true,
        describe: 'the keystore (JKS or PKCS#12), where it lies elsewhere than that file says',
      },
      { flag: 'alias', value: 'A', describe: 'which private key, where there are several' },
    ],
    run: importServer,
    print: printRenewed,
  },
]

function printRenewed({ outcome, fingerprint, expiresAt, path }: Renewed, io: Io): void {
  io.words(`the new certificate is ${outcome}${path === undefined ? '' : `: ${path}`}`)
  io.words(`its SHA-256 fingerprint is ${fingerprint}, it ends ${expiresAt}`)
}

async function renew(input: Input): Promise<Renewed> {
  for (const flag of ['now', 'host'])
    if (optionGiven(input, flag)) throw invalidInput(`--${flag}`, 'is for --server')
  const { client } = pathsOf(input)
  const { certificate } = await renewClient(client, await readLocalClient(client))
  return { ...describe(certificate), outcome: await takeOver(input) }
}

async function renewServer(input: Input, io: Io): Promise<Renewed> {
  const paths = pathsOf(input)
  const settings = await readSettings(paths)
  const order = { paths, settings, names: optionTexts(input, 'host'), now: systemClock.now() }
  if (optionGiven(input, 'now')) {
    const certificate = await useNextPair(order)
    return { ...describe(certificate), outcome: await takeOver(input) }
  }
  const { certificate, path } = await prepareNextPair(order)
  io.hint('add it to the truststores of Hadoop’s clients, beside the one in use,')
  io.hint('then run: keytrustee-kms cert renew --server --now')
  return { ...describe(certificate), outcome: 'waiting', path }
}

async function importServer(input: Input, io: Io): Promise<Renewed> {
  const paths = pathsOf(input)
  const settings = await readSettings(paths)
  const pair = await readOldServerPair({
    sslServer: input.files['ssl-server']?.toString('utf8') ?? '',
    keystore: input.files['keystore'],
    alias: optionText(input, 'alias'),
    env: io.env,
  })
  await useGivenPair({ paths, settings }, pair)
  return { ...describe(pair.certificate), outcome: await takeOver(input) }
}

async function takeOver(input: Input): Promise<Renewed['outcome']> {
  if (!daemonState(pathsOf(input).pidFile).running) return 'in use at the next start'
  await callKms(input, localReloadRoute)
  return 'in use'
}

/** Over plain HTTP there is no certificate for Hadoop. @throws ERR_SETTINGS */
async function listCertificates(paths: Paths): Promise<readonly Row[]> {
  const { tls } = await readLiveSettings(paths)
  const next = await findNextPair(paths)
  const { certificate } = await readLocalClient(paths.client)
  return [
    ...(tls ? [{ role: 'server', ...describe(String(tls.cert)) } as const] : []),
    ...(next ? [{ role: 'next server', ...describe(next.certificate) } as const] : []),
    { role: 'client', ...describe(certificate) },
  ]
}

function describe(shown: string | X509Certificate): Omit<Row, 'role'> {
  const certificate = new X509Certificate(shown.toString())
  const expiresAt = new Date(certificate.validTo)
  return {
    subject: certificate.subject.replaceAll('\n', ', '),
    expiresAt: expiresAt.toISOString(),
    daysLeft: daysUntil(expiresAt, systemClock.now()),
    fingerprint: certificateFingerprint(certificate),
  }
}
