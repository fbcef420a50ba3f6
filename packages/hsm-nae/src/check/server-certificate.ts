/** First contact: is there anything, and which certificate does it show. Nothing secret is sent. */
import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Fingerprint } from '@keyhsm/core'
import { connectSocket, fingerprintOf, nameOf } from '../connection/connect-socket.js'
import { LinkError } from '../failure.js'
import { defaultTimers, type NaeNode } from '../options.js'
import { type ApplianceFault, applianceFault, linkFault } from './appliance-faults.js'

/** What a person should know before trusting a certificate; none of it forbids a pin. */
export type CertificateWarning = 'expired' | 'not-yet-valid' | 'self-signed' | 'other-name'

export interface ServerCertificate {
  readonly certificate: X509Certificate
  /** What is pinned. */
  readonly fingerprint: Fingerprint
  readonly warnings: readonly { readonly code: CertificateWarning; readonly message: string }[]
}

/** Connects by TCP and closes again. @returns what is wrong; undefined when the address is good */
export async function checkAddress(
  node: NaeNode,
  timeoutMs: number = defaultTimers.connectMs,
): Promise<ApplianceFault | undefined> {
  try {
    const socket = await connectSocket(node, undefined, timeoutMs)
    socket.destroy()
    return undefined
  } catch (error) {
    if (error instanceof LinkError) return linkFault(error)
    throw error
  }
}

/** Shakes hands and closes again. @returns the certificate, or what is wrong (`not-tls` among others) */
export async function fetchApplianceCertificate(
  node: NaeNode,
  now: Date,
  timeoutMs: number = defaultTimers.connectMs,
): Promise<ServerCertificate | ApplianceFault> {
  try {
    const socket = await connectSocket(node, 'show', timeoutMs)
    const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
    socket.destroy()
    if (!certificate) return applianceFault('tls-failed', `${nameOf(node)} showed no certificate`)
    return {
      certificate,
      fingerprint: fingerprintOf(certificate),
      warnings: findWarnings(certificate, node, now),
    }
  } catch (error) {
    if (error instanceof LinkError) return linkFault(error)
    throw error
  }
}

function findWarnings(
  certificate: X509Certificate,
  { host }: NaeNode,
  now: Date,
): ServerCertificate['warnings'] {
  const { validFrom, validTo } = certificate
  const names = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)
  const selfSigned =
    certificate.issuer === certificate.subject && certificate.verify(certificate.publicKey)
  const checks: [boolean, CertificateWarning, string][] = [
    [now > new Date(validTo), 'expired', `the certificate expired on ${validTo}`],
    [now < new Date(validFrom), 'not-yet-valid', `the certificate is valid only from ${validFrom}`],
    [selfSigned, 'self-signed', 'the certificate is self-signed: compare its fingerprint'],
    [names === undefined, 'other-name', `the certificate is not for ${host}`],
  ]
  return checks.filter(([seen]) => seen).map(([, code, message]) => ({ code, message }))
}
