/** `keytrustee-kms cert`: what this instance shows, and another certificate to show to the Trustee Server. */
import { X509Certificate } from 'node:crypto'
import { readLocalClient, renewClient } from '@keyhsm/client'
import { type Command, printTable } from '@keyhsm/command-line'
import { systemClock } from '@keyhsm/core'
import { localReloadRoute } from '@keyhsm/protocol'
import { certificateFingerprint, daemonState, daysUntil } from '@keyhsm/service'
import type { Paths } from '../paths.js'
import { readLiveSettings } from '../service/live-settings.js'
import { callKms } from './control.js'
import { pathsOf } from './folder.js'

interface Row {
  readonly role: 'server' | 'client'
  readonly subject: string
  readonly expiresAt: string
  readonly daysLeft: number
  readonly fingerprint: string
}

interface Renewed extends Omit<Row, 'role'> {
  readonly outcome: 'in use' | 'in use at the next start'
}

export const certCommands: readonly Command[] = [
  {
    name: 'cert list',
    summary:
      'show the certificate for Hadoop and the one for the Trustee Server, and when they end',
    run: (input) => listCertificates(pathsOf(input)),
    print: (rows: readonly Row[], io) =>
      printTable(
        rows.map((row) => ({ ...row })),
        ['role', 'subject', 'expiresAt', 'daysLeft', 'fingerprint'],
        io,
      ),
  },
  {
    name: 'cert renew',
    summary:
      'another certificate for the Trustee Server, also when the present one has ended; no request fails',
    async run(input): Promise<Renewed> {
      const paths = pathsOf(input)
      const { certificate } = await renewClient(paths.client, await readLocalClient(paths.client))
      const { role: _, ...row } = toRow('client', certificate)
      if (!daemonState(paths.pidFile).running)
        return { ...row, outcome: 'in use at the next start' }
      await callKms(input, localReloadRoute)
      return { ...row, outcome: 'in use' }
    },
    print({ outcome, fingerprint, expiresAt }: Renewed, io) {
      io.words(`the new certificate is ${outcome}`)
      io.words(`its SHA-256 fingerprint is ${fingerprint}, it ends ${expiresAt}`)
    },
  },
]

/** Over plain HTTP there is no certificate for Hadoop. @throws ERR_SETTINGS */
async function listCertificates(paths: Paths): Promise<readonly Row[]> {
  const { tls } = await readLiveSettings(paths)
  const { certificate } = await readLocalClient(paths.client)
  return [...(tls ? [toRow('server', String(tls.cert))] : []), toRow('client', certificate)]
}

function toRow(role: Row['role'], pem: string): Row {
  const certificate = new X509Certificate(pem)
  const expiresAt = new Date(certificate.validTo)
  return {
    role,
    subject: certificate.subject.replaceAll('\n', ', '),
    expiresAt: expiresAt.toISOString(),
    daysLeft: daysUntil(expiresAt, systemClock.now()),
    fingerprint: certificateFingerprint(certificate),
  }
}
