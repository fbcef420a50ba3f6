/** The checks that answers must pass, for one run of setup. What an appliance shows is remembered between them. */
import { DomainError, invalidInput } from '@keyhsm/core'
import type { Io } from '@keyhsm/command-line'
import { type ApplianceFault, loadKeySecure, type ServerCertificate } from '../drivers.js'
import { checkListener } from './check-listener.js'
import type { Answers } from './answers.js'
import { formatCertificate } from './format-certificate.js'
import { type DialogueOptions, say } from './run-dialogue.js'

export interface CheckSurroundings {
  readonly io: Io
  /** The port on which this home's own service listens now. */
  readonly ownPort: number | undefined
  readonly now: Date
}

export function makeChecks({
  io,
  ownPort,
  now,
}: CheckSurroundings): Pick<DialogueOptions, 'checks' | 'showCertificate'> {
  let shown: readonly ServerCertificate[] = []
  return {
    showCertificate: () => shown.forEach((one, index) => showCertificate(one, index, io)),
    checks: {
      async 'listener-address'(address) {
        await checkListener(address, 0)
        if (!isLoopback(address)) warnOfNetwork(address, io)
        return undefined
      },
      async 'listener-port'(port, { address = '127.0.0.1' }) {
        if (Number(port) !== ownPort) await checkListener(address, Number(port))
        return undefined
      },
      async 'appliance-address'(port, answers) {
        const { checkAddress } = await loadKeySecure()
        for (const node of nodesOf(answers, port)) throwFault(await checkAddress(node))
        return undefined
      },
      async 'appliance-tls'(ssl, answers) {
        if (ssl !== 'yes') {
          io.words('warning: without SSL the password goes over the network in clear')
          return undefined
        }
        shown = await fetchCertificates(answers, now)
        return undefined
      },
      async 'appliance-trust'(answer) {
        const pinned = trustShown(answer, shown)
        // A person who said yes has read them under the certificate.
        if (answer !== 'yes') for (const one of shown) warnOf(one, io)
        return pinned
      },
    },
  }
}

async function fetchCertificates(answers: Answers, now: Date): Promise<ServerCertificate[]> {
  const { fetchApplianceCertificate } = await loadKeySecure()
  const found: ServerCertificate[] = []
  for (const node of nodesOf(answers, answers['hsm-port'] ?? '')) {
    const certificate = await fetchApplianceCertificate(node, now)
    if ('remedy' in certificate) throwFault(certificate)
    else found.push(certificate)
  }
  return found
}

/** `yes`, `no`, or the fingerprints that somebody expects. @returns what is pinned */
function trustShown(answer: string, shown: readonly ServerCertificate[]): string {
  const fingerprints = [...new Set(shown.map(({ fingerprint }) => fingerprint))]
  if (answer === 'yes') return fingerprints.join(',')
  const seen = `the HSM shows the certificate ${fingerprints.join(', ')}`
  if (answer === 'no') {
    throw new DomainError('ERR_CONFLICT', 'the server is not trusted, and nothing was changed', {
      hints: [seen, 'to trust it without being asked: --server-fingerprint F'],
    })
  }
  const expected = answer.toLowerCase().replaceAll(':', '').split(',')
  if (fingerprints.every((one) => expected.includes(one))) return fingerprints.join(',')
  throw invalidInput('--server-fingerprint', `is another than the server’s: ${seen}`)
}

function showCertificate(shown: ServerCertificate, index: number, io: Io) {
  say(io, `\n${formatCertificate(shown.certificate, index)}`)
  warnOf(shown, io)
}

/** What speaks against a certificate, none of which forbids to trust it. */
function warnOf({ warnings }: ServerCertificate, io: Io): void {
  for (const { message } of warnings) io.words(`warning: ${message}`)
}

function nodesOf(answers: Answers, port: string) {
  const hosts = (answers['hsm-address'] ?? '').split(',').map((host) => host.trim())
  return hosts.map((host) => ({ host, port: Number(port) }))
}

function throwFault(fault: ApplianceFault | undefined): void {
  if (fault === undefined) return
  const { message, detail, remedy } = fault
  throw new DomainError('ERR_UNAVAILABLE', detail ? `${message}: ${detail}` : message, {
    hints: [remedy],
  })
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

function warnOfNetwork(address: string, io: Io): void {
  io.words(
    `warning: ${address} can be reached from the network; Key HSM belongs on the host of the Key Trustee Server, where 127.0.0.1 is enough`,
  )
}
