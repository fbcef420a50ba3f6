/** Pruning in two steps: report orphans; later destroy those of a report handed back, each checked again just before. */
import type { HsmKeyId, Uuid } from '@keyhsm/core'
import type { pruneConfirmRoute, pruneReportRoute, ReplyOf } from '@keyhsm/protocol'
import { audited } from '../audited.js'
import type { KeyHsmLink } from '../sealing/key-hsm-link.js'
import { translate } from '../sealing/key-hsm-sealer.js'
import type { Trustee } from '../trustee.js'
import { findNeeds } from './find-orphans.js'
import {
  destroyableKeys,
  type PruneReport,
  readLastReport,
  requireOwnReport,
  saveReport,
  signReport,
} from './prune-report.js'
import { type PlacedKey, readRealmKeys } from './read-keys.js'
import type { RevokingLink } from './revoke-hsm-key.js'

export interface PruneLink extends RevokingLink {
  readonly joined: Pick<KeyHsmLink['joined'], 'realm'>
}

export interface PruneOrder {
  readonly requestId: Uuid
  /** The administrator. */
  readonly actor: string
}

/**
 * Lists the orphans of this realm, with the time each was first seen in an unbroken row of reports. Keys of an HSM that
 * cannot be asked are in no report, and their time begins anew.
 */
export async function reportOrphans(
  trustee: Trustee,
  link: PruneLink,
  o: PruneOrder & { readonly directory: string },
): Promise<ReplyOf<typeof pruneReportRoute>> {
  const { realm } = link.joined
  const operation = { operation: 'prune-report', ...orderOf(o), subjects: [{ realm }] }
  return audited(trustee.audit, operation, 'done', async () => {
    const { keys, unreachable } = await readRealmKeys(link)
    const needs = await findNeeds(trustee, keys)
    const last = await readLastReport(o.directory, trustee.grants, realm)
    const seen = new Map(last?.keys.map(({ id, firstReportedAt }) => [id, firstReportedAt]))
    const madeAt = trustee.clock.now().toISOString()
    const report = signReport(trustee.grants, {
      format: 'keytrustee-prune-report-1',
      realm,
      madeAt,
      keys: keys
        .filter(({ id }) => !needs.has(id))
        .map(({ id, label }) => ({ id, label, firstReportedAt: seen.get(id) ?? madeAt })),
    })
    const file = await saveReport(o.directory, report)
    const destroyable = destroyableKeys(report, trustee.limits.pruneMinAgeMs).length
    return { report, file, destroyable, unreachable: [...unreachable] }
  })
}

type Confirmed = ReplyOf<typeof pruneConfirmRoute>

/**
 * Destroys the old enough keys of a report that are still orphans.
 * @throws ERR_INVALID_INPUT for a report that this server did not write.
 */
export async function pruneReported(
  trustee: Trustee,
  link: PruneLink,
  o: PruneOrder & { readonly report: PruneReport },
): Promise<Confirmed> {
  requireOwnReport(trustee.grants, o.report, link.joined.realm)
  const present = new Map((await readRealmKeys(link)).keys.map((key) => [key.id, key]))
  const oldEnough = new Set(
    destroyableKeys(o.report, trustee.limits.pruneMinAgeMs).map(({ id }) => id),
  )
  const result: Confirmed = { destroyed: [], kept: [] }
  for (const { id, label } of o.report.keys) {
    const key = present.get(id)
    const reason = oldEnough.has(id)
      ? await findReasonToKeep(trustee, key)
      : 'not reported long enough'
    if (reason !== undefined || !key) {
      result.kept.push({ id, label, reason: reason ?? gone })
      continue
    }
    await destroy(trustee, link, o, key)
    result.destroyed.push({ id, label })
  }
  return result
}

const gone = 'gone from the HSM'

async function findReasonToKeep(
  trustee: Trustee,
  key: PlacedKey | undefined,
): Promise<string | undefined> {
  if (!key) return gone
  return (await findNeeds(trustee, [key])).get(key.id)
}

async function destroy(
  { audit }: Trustee,
  { calls }: PruneLink,
  o: PruneOrder,
  key: PlacedKey,
): Promise<void> {
  const subjects = [{ hsmKeyId: key.id, label: key.label, backend: key.backend }]
  const { requestId } = o
  const order = { requestId, hsmKeyId: key.id as HsmKeyId, canary: key.canary } as const
  await audited(audit, { operation: 'prune', ...orderOf(o), subjects }, 'revoked', () =>
    calls.revoke({ ...order, reason: 'prune' }).catch(translate),
  )
}

function orderOf({ requestId, actor }: PruneOrder): PruneOrder {
  return { requestId, actor }
}
