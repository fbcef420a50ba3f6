/** Every certificate of a Trustee Server, or that it relies on, as `ktadmin cert list` and `status` show them. */
import { X509Certificate } from 'node:crypto'
import type { CertificateRow } from '@keyhsm/protocol'
import {
  certificateFingerprint,
  daysUntil,
  type ExpiringCertificate,
  type WatchedFolder,
} from '@keyhsm/service'
import { dirname } from 'node:path'
import type { Joined } from '../sealing/join-file.js'
import type { Paths } from '../paths.js'
import type { LiveState } from '../service/live-state.js'

type Role = CertificateRow['role']

export interface CertificateSources
  extends Pick<LiveState, 'certificate' | 'authorities' | 'keyHsmClientCertificate'> {
  /** PEM of Key HSM's certificate; absent before joining. */
  readonly keyHsmCertificate?: string | undefined
  /** PEM of the one that waits to be shown to Key HSM. */
  readonly keyHsmClientNext?: string | undefined
}

/** From what is in use, and what was agreed at joining. */
export function certificateSources(
  live: CertificateSources,
  joined: Pick<Joined, 'serverCertificate' | 'clientCertificate'> | undefined,
): CertificateSources {
  const { certificate, authorities } = live
  if (!joined)
    return { certificate, authorities, keyHsmClientCertificate: live.keyHsmClientCertificate }
  const keyHsmClientCertificate = new X509Certificate(joined.clientCertificate)
  const keyHsmCertificate = joined.serverCertificate
  return { certificate, authorities, keyHsmClientCertificate, keyHsmCertificate }
}

/** What each is called in a warning, what cures it, and what its end does. */
const roles: Readonly<
  Record<Role, Pick<ExpiringCertificate, 'what' | 'cure' | 'effect'> & { readonly id: string }>
> = {
  server: {
    id: 'server',
    what: 'the server’s own certificate',
    cure: 'ktadmin cert renew',
    effect: 'clients refuse this server',
  },
  'client-authority': {
    id: 'client-authority',
    what: 'the authority of client certificates',
    cure: 'ktadmin cert renew --authority',
    effect: 'clients are refused',
  },
  'previous-client-authority': {
    id: 'previous-client-authority',
    what: 'an earlier authority of client certificates',
    cure: 'keytrustee status at clients that are still on it, which renews theirs',
    effect: 'its clients are refused',
  },
  'shown-to-key-hsm': {
    id: 'shown-to-key-hsm',
    what: 'the certificate shown to Key HSM',
    cure: 'ktadmin cert renew --key-hsm',
    effect: 'Key HSM refuses this server',
  },
  'next-shown-to-key-hsm': {
    id: 'next-shown-to-key-hsm',
    what: 'the certificate that waits to be shown to Key HSM',
    cure: 'ktadmin cert renew --key-hsm',
    effect: 'it cannot be shown',
  },
  'key-hsm': {
    id: 'key-hsm',
    what: 'the certificate of Key HSM',
    cure: 'keyhsm cert renew on its host',
    effect: 'Key HSM cannot be asked',
  },
}

export function listCertificates(o: CertificateSources, now: Date): CertificateRow[] {
  return findCertificates(o).map(({ role, certificate }) => {
    const expiresAt = new Date(certificate.validTo)
    return {
      role,
      subject: certificate.subject.replaceAll('\n', ', '),
      names: namesOf(certificate),
      expiresAt: expiresAt.toISOString(),
      daysLeft: daysUntil(expiresAt, now),
      fingerprint: certificateFingerprint(certificate),
    }
  })
}

/** The same for warnings and metrics. */
export function expiringCertificates(o: CertificateSources): ExpiringCertificate[] {
  return findCertificates(o).map(({ role, certificate }) => ({
    ...roles[role],
    expiresAt: new Date(certificate.validTo),
  }))
}

/** The folders that grow. The database's only where it is this machine's. */
export function watchedFolders(
  paths: Pick<Paths, 'audit' | 'logFile' | 'database'>,
  o: { readonly privateDatabase: boolean },
): WatchedFolder[] {
  return [
    { what: 'audit', path: paths.audit, cure: 'ktadmin audit archive --to DIR' },
    {
      what: 'log',
      path: dirname(paths.logFile),
      cure: 'remove old files, or keep fewer of them (maxIndex in conf/logback.xml)',
    },
    ...(o.privateDatabase
      ? [{ what: 'database', path: paths.database, cure: 'make room on its disk' }]
      : []),
  ]
}

function findCertificates({
  certificate,
  authorities: [present, ...previous],
  keyHsmClientCertificate,
  keyHsmClientNext,
  keyHsmCertificate,
}: CertificateSources): readonly { readonly role: Role; readonly certificate: X509Certificate }[] {
  const parse = (role: Role, pem: string | undefined) =>
    pem === undefined ? [] : [{ role, certificate: new X509Certificate(pem) }]
  return [
    { role: 'server', certificate },
    ...parse('client-authority', present),
    ...previous.flatMap((pem) => parse('previous-client-authority', pem)),
    { role: 'shown-to-key-hsm', certificate: keyHsmClientCertificate },
    ...parse('next-shown-to-key-hsm', keyHsmClientNext),
    ...parse('key-hsm', keyHsmCertificate),
  ]
}

function namesOf({ subjectAltName = '' }: X509Certificate): string[] {
  return subjectAltName === ''
    ? []
    : subjectAltName.split(', ').map((name) => name.replace(/^[^:]+:/, ''))
}
