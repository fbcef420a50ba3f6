/** What of a Key HSM ends or fills up: its own certificate, those it trusts, the folders it writes. */
import { X509Certificate } from 'node:crypto'
import { dirname } from 'node:path'
import type { Clock } from '@keyhsm/core'
import type { Care, ExpiringCertificate } from '@keyhsm/service'
import type { Paths } from './paths.js'
import type { LiveState } from './service/live-state.js'

const effect = 'connections are refused'

/** `live` and `logFiles` are asked at each look. */
export function careOfKeyHsm(o: {
  readonly clock: Clock
  readonly paths: Pick<Paths, 'audit'>
  live(): Pick<LiveState, 'keystore' | 'trust'>
  logFiles(): readonly string[]
}): Care {
  return {
    clock: o.clock,
    certificates: () => findCertificates(o.live()),
    folders: () => [
      { what: 'audit', path: o.paths.audit, cure: 'keyhsm audit archive --to DIR' },
      ...logFolders(o.logFiles()),
    ],
  }
}

function logFolders([file]: readonly string[]) {
  const cure = 'remove old files, or keep fewer of them (maxIndex in conf/logback.xml)'
  return file === undefined ? [] : [{ what: 'log', path: dirname(file), cure }]
}

function findCertificates({
  keystore,
  trust,
}: Pick<LiveState, 'keystore' | 'trust'>): readonly ExpiringCertificate[] {
  const own = new X509Certificate(keystore.certificate)
  return [
    {
      id: 'server',
      what: 'Key HSM’s own certificate',
      expiresAt: new Date(own.validTo),
      cure: 'keyhsm cert renew',
      effect,
    },
    ...trust.certificates.map(({ certificate, realm, fingerprint }) => ({
      id: `trusted-${fingerprint.slice(0, 8)}`,
      what: `the trusted certificate of ${certificate.subject.replaceAll('\n', ', ')} (realm ${realm})`,
      expiresAt: new Date(certificate.validTo),
      cure: `keyhsm trust NEW-CERT --realm ${realm}`,
      effect,
    })),
  ]
}
