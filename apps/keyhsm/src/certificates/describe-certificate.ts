/** Key HSM's certificates as `keyhsm cert list` shows them. */
import { X509Certificate } from 'node:crypto'
import type { keyHsmCertificatesRoute, ReplyOf } from '@keyhsm/protocol'
import { certificateFingerprint } from '@keyhsm/service'
import { readCertificate } from '../keystore.js'
import type { Paths } from '../paths.js'

type Certificates = ReplyOf<typeof keyHsmCertificatesRoute>

/** `pem`: one certificate, perhaps with its chain after it. */
export function describeCertificate<Role extends 'current' | 'next'>(role: Role, pem: string) {
  const certificate = new X509Certificate(pem)
  return {
    role,
    subject: certificate.subject.replaceAll('\n', ', '),
    expiresAt: new Date(certificate.validTo).toISOString(),
    fingerprint: certificateFingerprint(certificate),
  }
}

/** What lies on disk, for a service that does not run: nobody can tell then who knows the one that follows. */
export async function certificatesAtRest(
  paths: Pick<Paths, 'keystore' | 'keystoreNext'>,
): Promise<Certificates> {
  const current = await readCertificate(paths.keystore)
  const next = await readCertificate(paths.keystoreNext)
  return {
    certificates: [
      ...(current === undefined ? [] : [describeCertificate('current', current)]),
      ...(next === undefined ? [] : [describeCertificate('next', next)]),
    ],
    waitingFor: [],
  }
}
