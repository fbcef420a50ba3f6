/** The answer of `ktadmin status`. */
import type { ReplyOf, statusRoute } from '@keyhsm/protocol'
import {
  type Care,
  certificateFingerprint,
  findCareWarnings,
  levelInUse,
  type OpenLog,
} from '@keyhsm/service'
import { readHsmBackup } from '../backup/hsm-backup.js'
import { certificateSources, listCertificates } from '../certificates/list-certificates.js'
import type { ResealSchedule } from '../migration/reseal-schedule.js'
import { version } from '../version.js'
import { isHealthy, readParts, type HealthSources } from './health.js'
import { describeMigration } from './migration-routes.js'
import { installationOf } from './installation.js'
import type { LiveState } from './live-state.js'
import type { OpenTrustee } from './open-trustee.js'

export interface StatusSources {
  readonly opened: OpenTrustee
  readonly health: HealthSources
  readonly live: LiveState
  readonly address: string
  readonly startedAt: Date
  readonly log: OpenLog
  readonly care: Care
  readonly schedule: Pick<ResealSchedule, 'state'>
  /** File of the last report of a backup of the HSM. */
  readonly hsmBackup: string
}

/** Part of a quota from which on it is shown. */
const nearQuota = 0.8
const mostShown = 10

/** Never fails: what cannot be read is left out or said to be unhealthy. */
export async function readStatus(o: StatusSources): Promise<ReplyOf<typeof statusRoute>> {
  const { trustee, link, auditPublicKey } = o.opened
  const parts = await readParts(o.health)
  const joined = link.current()?.joined
  const migration = describeMigration(o.opened.migration)
  return {
    version,
    pid: process.pid,
    address: o.address,
    serverFingerprint: certificateFingerprint(o.live.certificate),
    serverCertificateExpiresAt: new Date(o.live.certificate.validTo).toISOString(),
    certificates: listCertificates(certificateSources(o.live, joined), trustee.clock.now()),
    sealing: trustee.sealing.state,
    ...(joined
      ? {
          keyHsm: {
            url: joined.url,
            realm: joined.realm,
            joinedAt: joined.joinedAt.toISOString(),
          },
        }
      : {}),
    healthy: isHealthy(parts),
    parts,
    warnings: (await findCareWarnings(o.care)).map(({ text }) => text),
    ...(await readCounts(o.opened)),
    ...installationOf(trustee.store),
    ...(await readBacklogFigures(o.opened)),
    ...(await readHsmBackupFigures(o)),
    ...heldFigures(o.opened),
    ...(migration === undefined ? {} : { migration }),
    ...scheduleFigures(o),
    auditHead: trustee.audit.head(),
    auditPublicKey,
    startedAt: o.startedAt.toISOString(),
    log: levelInUse(o.log),
  }
}

function scheduleFigures({
  schedule,
}: StatusSources): Pick<ReplyOf<typeof statusRoute>, 'resealSchedule'> {
  const state = schedule.state()
  if (!state) return {}
  const { lookedAt, ...rest } = state
  const looked = lookedAt === undefined ? {} : { lookedAt: lookedAt.toISOString() }
  return { resealSchedule: { ...rest, ...looked } }
}

async function readHsmBackupFigures({
  hsmBackup: file,
  opened,
}: StatusSources): Promise<Pick<ReplyOf<typeof statusRoute>, 'hsmBackup'>> {
  const reported = await readHsmBackup(file).catch(() => undefined)
  if (!reported) return {}
  const { at, reportedBy } = reported
  const newerRevisions = await opened.trustee.store.countSealedAfter(at).catch(() => undefined)
  const figures = { at: at.toISOString(), reportedBy }
  return { hsmBackup: newerRevisions === undefined ? figures : { ...figures, newerRevisions } }
}

function heldFigures({ trustee }: OpenTrustee): Pick<ReplyOf<typeof statusRoute>, 'held'> {
  const { clients, deposits } = trustee.holds.list()
  if (clients.length + deposits.length === 0) return {}
  return { held: { clients: clients.length, deposits: deposits.length } }
}

async function readCounts({
  trustee: { store },
}: OpenTrustee): Promise<{ deposits: number; pendingPuts: number } | undefined> {
  try {
    const [deposits, pending] = await Promise.all([store.countDeposits(), store.listPendingPuts()])
    return { deposits, pendingPuts: pending.length }
  } catch {
    return undefined
  }
}

async function readBacklogFigures({
  trustee: { store, clock, limits },
}: OpenTrustee): Promise<Pick<ReplyOf<typeof statusRoute>, 'waiting' | 'quotas'>> {
  const most = limits.depositsPerOrganisation
  try {
    const { waitingClients, openRequests, purging, fullest } = await store.readBacklog({
      now: clock.now(),
      fullFrom: Math.ceil(most * nearQuota),
      limit: mostShown,
    })
    return {
      waiting: { clients: waitingClients, approvals: openRequests, purges: purging },
      quotas: fullest.map(({ name: organisation, deposits }) => ({ organisation, deposits, most })),
    }
  } catch {
    return {}
  }
}
