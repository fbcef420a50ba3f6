/** `keyhsm cert`: Key HSM's own TLS certificate, rolled with an overlap in which no request fails. */
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
import { DomainError, invalidInput, parseDuration, systemClock } from '@keyhsm/core'
import { keyHsmCertificatesRoute, type ReplyOf, reloadRoute } from '@keyhsm/protocol'
import { certificatesAtRest } from '../certificates/describe-certificate.js'
import {
  activateNext,
  prepareRenewal,
  prepareReplacement,
} from '../certificates/next-certificate.js'
import { readShownConfiguration } from '../configuration.js'
import { type Paths, pathsIn } from '../paths.js'
import type { Environment } from '../keystore-password.js'
import { keystorePasswordOption, withKeystorePassword } from './keystore-access.js'
import { isRunning, withService } from './with-service.js'

type Certificates = ReplyOf<typeof keyHsmCertificatesRoute>

interface Rolled {
  readonly fingerprint: string
  readonly outcome: 'in use' | 'in use at the next start'
}

const defaultWait = '5m'
const lookEveryMs = 500

const rollOptions: readonly Option[] = [
  keystorePasswordOption,
  {
    flag: 'wait',
    value: 'TIME',
    describe: `how long Trustee Servers may take to learn the new certificate (default: ${defaultWait})`,
    check: (text) => parseDuration(text, '--wait'),
  },
  {
    flag: 'now',
    describe: 'do not wait: Trustee Servers that do not know it must be joined again',
  },
]

export const certListCommand: Command = {
  name: 'cert list',
  summary: 'show the certificate in use, the one that follows, and who knows that one',
  run: ({ home }): Promise<Certificates> => {
    const paths = pathsIn(home.keyhsm)
    if (!isRunning(paths)) return certificatesAtRest(paths)
    return withService(paths, (service) => service.call(keyHsmCertificatesRoute, {}))
  },
  print({ certificates, waitingFor }: Certificates, io) {
    printTable(certificates, ['role', 'subject', 'expiresAt', 'fingerprint'], io)
    for (const { subject, realm } of waitingFor) {
      io.words(`not known yet to ${subject} (realm ${realm})`)
    }
  },
}

export const certRenewCommand: Command = {
  name: 'cert renew',
  summary: 'make a new self-signed certificate, let every Trustee Server learn it, then show it',
  options: rollOptions,
  run: (input, io) =>
    roll(input, io, async (paths, env) => {
      const { settings } = await readShownConfiguration(paths)
      await prepareRenewal(paths, settings.address, env)
    }),
  print: printRolled,
}

export const certReplaceCommand: Command = {
  name: 'cert replace',
  summary: 'the same with a certificate from an authority',
  options: [...certificateOptions, ...rollOptions],
  run: (input, io) =>
    roll(input, io, async (paths, env) => {
      const passphrase = findSecret(input, io, {
        fileFlag: 'passphrase-file',
        prompt: 'Passphrase',
      })
      const certificate = input.files['cert']?.toString('latin1') ?? ''
      const key = input.files['key']?.toString('latin1') ?? ''
      const now = systemClock.now()
      const given = { certificate, key, now, ...(passphrase ? { passphrase } : {}) }
      await prepareReplacement(paths, given, env)
    }),
  print: printRolled,
}

/** Interrupted at any point it can be run again: what waits is announced still, and goes on from there. */
async function roll(
  input: Input,
  io: Io,
  prepare: (paths: Paths, env: Environment) => Promise<void>,
): Promise<Rolled> {
  const paths = pathsIn(input.home.keyhsm)
  const now = optionGiven(input, 'now')
  const running = isRunning(paths)
  if (!running && !now) requireRunning(paths)
  const env = await withKeystorePassword(input, io, paths)
  await prepare(paths, env)
  if (!running) {
    await activateNext(paths, env)
    const { certificates } = await certificatesAtRest(paths)
    const fingerprint = certificates[0]?.fingerprint ?? ''
    return { fingerprint, outcome: 'in use at the next start' }
  }
  return await withService(paths, async (service) => {
    await service.call(reloadRoute, {})
    const look = () => service.call(keyHsmCertificatesRoute, {})
    if (!now) await waitUntilKnown(look, waitOf(input), io)
    const { certificates } = await look()
    await activateNext(paths, env)
    await service.call(reloadRoute, {})
    const next = certificates.find(({ role }) => role === 'next')
    return { fingerprint: next?.fingerprint ?? '', outcome: 'in use' as const }
  })
}

function waitOf(input: Input): number {
  return parseDuration(optionText(input, 'wait') ?? defaultWait, '--wait')
}

/** @throws ERR_BUSY naming who does not know the new certificate when the time is over; it goes on waiting in its place. */
async function waitUntilKnown(
  look: () => Promise<Certificates>,
  waitMs: number,
  io: Io,
): Promise<void> {
  const deadline = performance.now() + waitMs
  let said = -1
  for (;;) {
    const { certificates, waitingFor } = await look()
    const current = certificates.find(({ role }) => role === 'current')
    const expired = current !== undefined && Date.parse(current.expiresAt) < Date.now()
    // Nobody can be told over connections that the expired certificate closes.
    if (waitingFor.length === 0 || expired) return
    if (waitingFor.length !== said) io.words(`waiting for ${waitingFor.length} Trustee Server(s)`)
    said = waitingFor.length
    if (performance.now() >= deadline) throw notKnown(waitingFor)
    await pause(lookEveryMs)
  }
}

function notKnown(waitingFor: Certificates['waitingFor']): DomainError {
  const names = waitingFor.map(
    ({ subject, realm, fingerprint }) =>
      `not known yet to ${subject} (realm ${realm}); is it gone: keyhsm trust --remove ${fingerprint}`,
  )
  return new DomainError(
    'ERR_BUSY',
    'the new certificate waits: not every Trustee Server knows it',
    {
      hints: [...names, 'run the same command again to go on, or add --now'],
    },
  )
}

function requireRunning(paths: Paths): void {
  if (isRunning(paths)) return
  throw invalidInput('--now', 'is needed where the service does not run: it cannot tell anybody')
}

function printRolled({ fingerprint, outcome }: Rolled, io: Io): void {
  io.words(`the new certificate is ${outcome}`)
  io.words(`its SHA-256 fingerprint is ${fingerprint}`)
}
