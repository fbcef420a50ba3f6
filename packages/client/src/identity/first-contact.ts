/**
 * Which server is it? Settled before anything secret is sent: by a fingerprint or a CA that somebody gave, by the pin of
 * an earlier call, or by a person who compares. Everything else ends here.
 */
import { DomainError, type Fingerprint, parseFingerprint } from '@keyhsm/core'
import { fetchServerCertificate } from '../transport/fetch-server-certificate.js'
import { findServerFault } from '../transport/probe-server.js'
import { fingerprintOf, splitPem, type TlsPins } from '../transport/server-check.js'

/** Somebody who may be asked; a command's input and output are one. */
export interface Person {
  readonly isTerminal: boolean
  words(line: string): void
  ask(prompt: string): Promise<string>
}

/** What the user gave to recognise the server by. */
export interface Recognition {
  readonly fingerprint?: string | undefined
  /** PEM of `--cacert`. */
  readonly cacert?: string | undefined
  /** PEM that an earlier registration with this server pinned. */
  readonly pinned?: string | undefined
  /** `-y`: take the server that answers. */
  readonly takeIt: boolean
}

/**
 * PEM to pin each server of a list by, as {@link recogniseServer}; a fingerprint may be a list too, and each server must
 * have one of it.
 */
export async function recogniseServers(
  urls: readonly string[],
  by: Recognition,
  io: Person,
): Promise<string> {
  const fingerprints = by.fingerprint?.split(',').map((text) => text.trim())
  const pins: string[] = []
  for (const url of urls) {
    const fingerprint = fingerprints && (await findShown(url, fingerprints))
    pins.push(await recogniseServer(url, { ...by, fingerprint }, io))
  }
  return [...new Set(pins)].join('')
}

/** The one of the expected fingerprints that the server shows; the first where it shows none of them. */
async function findShown(url: string, expected: readonly string[]): Promise<string | undefined> {
  const [first, ...others] = expected
  if (others.length === 0) return first
  const seen = fingerprintOf(await fetchServerCertificate(url))
  const same = (text: string) => parseFingerprint(text, '--server-fingerprint') === seen
  return expected.find(same) ?? first
}

/** PEM to pin the server at `url` by. @throws ERR_INVALID_INPUT (exit 2) when it is another one, or nobody can tell. */
export async function recogniseServer(url: string, by: Recognition, io: Person): Promise<string> {
  const expected = by.cacert ?? by.pinned
  if (expected !== undefined) await provePins(url, { ca: [expected] }, by)
  const shown = await fetchServerCertificate(url)
  const seen = fingerprintOf(shown)
  if (by.fingerprint !== undefined) compare(parseFingerprint(by.fingerprint), seen, url)
  else if (expected === undefined) await ask(url, seen, { by, io })
  return expected ?? shown.toString()
}

function compare(expected: Fingerprint, seen: Fingerprint, url: string): void {
  if (expected !== seen) throw anotherServer(url, [expected], seen)
}

async function provePins(url: string, pins: TlsPins, by: Recognition): Promise<void> {
  const certificates = splitPem(pins.ca.join('\n'), by.cacert === undefined ? 'pin' : '--cacert')
  const fault = await findServerFault(url, pins)
  if (!fault) return
  const seen = fingerprintOf(await fetchServerCertificate(url))
  throw anotherServer(url, certificates.map(fingerprintOf), seen, fault)
}

function anotherServer(
  url: string,
  expected: readonly Fingerprint[],
  seen: Fingerprint,
  cause?: DomainError,
): DomainError {
  const detail = `${url} is not the expected server: nothing was sent to it`
  return new DomainError('ERR_INVALID_INPUT', detail, {
    cause,
    hints: [
      ...expected.map((fingerprint) => `expected SHA-256 ${formatFingerprint(fingerprint)}`),
      `it shows SHA-256 ${formatFingerprint(seen)}`,
      ...(cause === undefined ? [] : [cause.message]),
    ],
  })
}

async function ask(
  url: string,
  seen: Fingerprint,
  { by, io }: { by: Recognition; io: Person },
): Promise<void> {
  io.words(`${url} shows a certificate with SHA-256 fingerprint`)
  io.words(formatFingerprint(seen))
  if (by.takeIt) {
    io.words('warning: taken without comparison because of --yes')
    return
  }
  if (!io.isTerminal) throw nobodyToAsk()
  io.words('compare it with what `ktadmin status` prints on the server')
  const answer = await io.ask('Is this the right server? [y/N] ')
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new DomainError(
      'ERR_INVALID_INPUT',
      'the server was not accepted: nothing was sent to it',
    )
}

function nobodyToAsk(): DomainError {
  return new DomainError('ERR_INVALID_INPUT', 'the server is not known and nobody can be asked', {
    hints: [
      'give --server-fingerprint F (printed by `ktadmin status` on the server) or --cacert FILE',
    ],
  })
}

/** `AB:CD:…`, as `openssl x509 -fingerprint` prints it. */
export function formatFingerprint(fingerprint: Fingerprint): string {
  return fingerprint.toUpperCase().replace(/..(?!$)/g, '$&:')
}
