/** This Key HSM's certificates as its routes show them. */
import type { keyHsmCertificatesRoute, ReplyOf } from '@keyhsm/protocol'
import { describeCertificate } from '../certificates/describe-certificate.js'
import { PinWatch } from '../certificates/pin-watch.js'
import type { LiveState } from './live-state.js'
import type { CertificateDesk } from './routes.js'

type Certificates = ReplyOf<typeof keyHsmCertificatesRoute>

export interface CertificateDesks extends CertificateDesk {
  /** For administrators. */
  list(): Certificates
}

/** `live` is asked at each use: a reload exchanges it. */
export function makeCertificateDesk(live: () => LiveState): CertificateDesks {
  const watch = new PinWatch()
  return {
    note: (publicKey, pins) => watch.note(publicKey, pins),
    shown() {
      const { keystore, nextCertificate } = live()
      return {
        certificateFingerprint: describeCertificate('current', keystore.certificate).fingerprint,
        ...(nextCertificate === undefined ? {} : { nextCertificate }),
      }
    },
    list() {
      const { keystore, nextCertificate, trust } = live()
      const current = describeCertificate('current', keystore.certificate)
      if (nextCertificate === undefined) return { certificates: [current], waitingFor: [] }
      const next = describeCertificate('next', nextCertificate)
      const waitingFor = watch.waitingFor(trust, next.fingerprint).map((one) => ({
        subject: one.certificate.subject.replaceAll('\n', ', '),
        realm: one.realm,
        fingerprint: one.fingerprint,
      }))
      return { certificates: [current, next], waitingFor }
    },
  }
}
