/** What of a KMS ends or fills up: its TLS certificate, its certificate as a client, the folders it writes. */
import { X509Certificate } from 'node:crypto'
import type { Clock } from '@keyhsm/core'
import type { Care, ExpiringCertificate } from '@keyhsm/service'
import type { Paths } from './paths.js'
import type { LiveSettings } from './service/live-settings.js'

export function careOfKms(o: {
  readonly clock: Clock
  readonly paths: Pick<Paths, 'audit' | 'log'>
  /** PEM of the certificate shown to the Trustee Server now. */
  clientCertificate(): string
  live(): Pick<LiveSettings, 'tls'>
}): Care {
  return {
    clock: o.clock,
    certificates: () => [...serverCertificate(o.live()), clientCertificate(o.clientCertificate())],
    folders: () => [
      { what: 'audit', path: o.paths.audit, cure: 'keytrustee-kms audit archive --to DIR' },
      {
        what: 'log',
        path: o.paths.log,
        cure: 'remove old files, or keep fewer of them (maxIndex in conf/logback.xml)',
      },
    ],
  }
}

function serverCertificate({ tls }: Pick<LiveSettings, 'tls'>): ExpiringCertificate[] {
  if (tls === undefined) return []
  return [
    {
      id: 'server',
      what: 'the certificate of the KMS',
      expiresAt: new Date(new X509Certificate(tls.cert).validTo),
      cure: 'keytrustee-kms cert renew --server, or reload after another pair is in its place',
      effect: 'Hadoop refuses it',
    },
  ]
}

function clientCertificate(pem: string): ExpiringCertificate {
  return {
    id: 'client',
    what: 'the certificate shown to the Trustee Server',
    expiresAt: new Date(new X509Certificate(pem).validTo),
    cure: 'keytrustee-kms cert renew',
    effect: 'the Trustee Server refuses this KMS',
  }
}
