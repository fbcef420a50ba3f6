import {
  type Command,
  type Input,
  type Io,
  optionGiven,
  optionText,
  printLine,
  printTable,
} from '@keyhsm/command-line'
import { invalidInput, parseFingerprint, parseRealm, systemClock } from '@keyhsm/core'
import { reloadRoute } from '@keyhsm/protocol'
import { type Paths, pathsIn } from '../paths.js'
import { exportTruststore } from '../trust/export-truststore.js'
import { addTrusted, readTrustList, removeTrusted } from '../trust/trust-list.js'
import {
  isServerCertificate,
  parseCandidate,
  type TrustedCertificate,
} from '../trust/trusted-certificate.js'
import { isRunning, withService } from './with-service.js'

const defaultRealm = 'default'

interface TrustResult {
  readonly trusted?: ReturnType<typeof describe>
  readonly removed?: string
  readonly certificates?: ReturnType<typeof describe>[]
  /** The certificate was trusted for this realm before. */
  readonly unchanged?: boolean
  /** Whether the running service has taken it over; undefined when nothing changed. */
  readonly takenOver?: boolean
}

/** Admits a Trustee Server by its certificate, says whom it admits, or takes one off. */
export const trustCommand: Command = {
  name: 'trust',
  summary: 'add a trusted client certificate',
  arguments: [
    {
      name: 'CERT',
      describe: 'certificate of the Trustee Server, PEM',
      optional: true,
      file: true,
      maxBytes: 64 * 1024,
    },
  ],
  options: [
    {
      flag: 'realm',
      value: 'R',
      describe: `Trustee installation that the certificate speaks for (default: ${defaultRealm})`,
      check: (text) => parseRealm(text, '--realm'),
    },
    { flag: 'list', describe: 'show the trusted certificates' },
    {
      flag: 'remove',
      value: 'F',
      describe: 'take the certificate with this SHA-256 fingerprint off the list',
      check: (text) => parseFingerprint(text, '--remove'),
    },
  ],
  async run(input, io): Promise<TrustResult> {
    const paths = pathsIn(input.home.keyhsm)
    const removed = optionText(input, 'remove')
    requireOneOrder(input)
    if (optionGiven(input, 'list')) {
      return { certificates: (await readTrustList(paths.truststore)).certificates.map(describe) }
    }
    if (removed !== undefined) {
      await removeTrusted(paths.truststore, parseFingerprint(removed))
      await exportForOthers(paths, io)
      return { removed: parseFingerprint(removed), takenOver: await takeOver(paths) }
    }
    const { candidate, added } = await addCertificate(input, io, paths)
    const trusted = describe(candidate)
    // Also when nothing is new: the service may not have heard of it the first time.
    return { trusted, unchanged: !added, takenOver: await takeOver(paths) }
  },
  print({ trusted, removed, certificates, unchanged, takenOver }: TrustResult, io) {
    if (certificates) printTable(certificates, ['realm', 'subject', 'expires', 'fingerprint'], io)
    if (trusted) {
      for (const [name, value] of Object.entries(trusted)) printLine(`${name}: ${value}`, io)
    }
    if (removed) printLine(`removed: ${removed}`, io)
    if (unchanged) io.words('it was trusted already')
    if (takenOver !== undefined) {
      io.words(
        takenOver ? 'the running service has taken it over' : 'takes effect at the next start',
      )
    }
  },
}

function requireOneOrder(input: Input): void {
  const orders = [
    input.files['CERT'] !== undefined,
    optionGiven(input, 'list'),
    optionText(input, 'remove') !== undefined,
  ]
  if (orders.filter(Boolean).length !== 1) {
    throw invalidInput('CERT', 'or --list or --remove is needed, one of them')
  }
}

async function addCertificate(input: Input, io: Io, paths: Paths) {
  const realm = parseRealm(optionText(input, 'realm') ?? defaultRealm, '--realm')
  const pem = input.files['CERT']?.toString('latin1') ?? ''
  const candidate = parseCandidate(pem, realm, systemClock.now())
  if (isServerCertificate(candidate.certificate)) {
    io.words('warning: this is also a server certificate; a separate client certificate is safer')
  }
  const added = await addTrusted(paths.truststore, candidate)
  await exportForOthers(paths, io)
  return { candidate, added }
}

async function exportForOthers(paths: Paths, io: Io): Promise<void> {
  if (await exportTruststore(paths, io.env)) return
  io.words('warning: keystore/truststore.p12 was not written, as the keystore does not open here')
}

async function takeOver(paths: Paths): Promise<boolean> {
  if (!isRunning(paths)) return false
  await withService(paths, (service) => service.call(reloadRoute, {}))
  return true
}

function describe({ certificate, fingerprint, realm }: TrustedCertificate) {
  return {
    subject: certificate.subject.replaceAll('\n', ', '),
    realm,
    expires: new Date(certificate.validTo).toISOString(),
    fingerprint,
  }
}
