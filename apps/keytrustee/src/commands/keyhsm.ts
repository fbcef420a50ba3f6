/** `ktadmin keyhsm`: joins the running server to a Key HSM. */
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
import { DomainError, type Fingerprint, invalidInput, parseFingerprint } from '@keyhsm/core'
import { joinRoute, type ReplyOf } from '@keyhsm/protocol'
import { asOption, callServer } from './control.js'

type Joined = ReplyOf<typeof joinRoute>

export const keyHsmCommand: Command = {
  name: 'keyhsm',
  summary:
    'join the running server to a Key HSM; the whole way is checked before anything is saved',
  options: [
    { flag: 'server', value: 'URL', required: true, describe: 'https://host:port of the Key HSM' },
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
    { flag: 'yes', short: 'y', describe: 'with --trust: do not ask' },
    asOption,
  ],
  async run(input, io): Promise<Joined> {
    const url = requiredText(input, 'server')
    const certificate = await fetchServerCertificate(url)
    await acceptCertificate(certificate, input, io)
    const passphrase = await readPassphrase(input, io)
    const body = {
      url,
      serverCertificate: certificate.toString(),
      ...textOf(input, 'client-certfile', 'clientCertificate'),
      ...textOf(input, 'client-keyfile', 'clientKey'),
      ...(passphrase === undefined ? {} : { passphrase }),
    }
    return callServer(input, joinRoute, { body })
  },
  print(joined: Joined, io: Io) {
    const { url, realm, device, scope, kind, joinedAt } = joined
    printFields({ url, realm, device, scope, kind, joined: joinedAt }, io)
    for (const warning of warningsOf(joined)) io.words(`warning: ${warning}`)
  },
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
