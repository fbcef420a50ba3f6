/** Routes of the control socket about backups, drills and restores. */
import type { Uuid } from '@keyhsm/core'
import {
  hsmBackupRoute,
  listHoldsRoute,
  missingHsmKeysRoute,
  recordRoute,
  releaseHoldsRoute,
} from '@keyhsm/protocol'
import { type BoundRoute, bindRoute } from '@keyhsm/service'
import { describeHolds, releaseHolds } from '../backup/release-holds.js'
import { reportHsmBackup } from '../backup/hsm-backup.js'
import { findMissingKeys } from '../hsm-keys/find-missing-keys.js'
import type { ListingLink } from '../hsm-keys/read-keys.js'
import type { Trustee } from '../trustee.js'
import { administratorOf, orderOf } from './identify.js'

export interface BackupRoutesOptions {
  readonly trustee: Trustee
  /** @throws ERR_NOT_JOINED */
  readonly link: () => ListingLink
  /** File of the last report. */
  readonly hsmBackup: string
}

export function backupRoutes({ trustee, link, hsmBackup }: BackupRoutesOptions): BoundRoute[] {
  const { store } = trustee
  return [
    bindRoute(recordRoute, async ({ body, identity }) => {
      const { outcome, reason, ...entry } = body
      const auditHead = await trustee.audit.append({
        ...entry,
        actor: administratorOf(identity),
        ...(outcome === undefined ? {} : { outcome }),
        ...(reason === undefined ? {} : { reason }),
      })
      return { auditHead }
    }),
    bindRoute(hsmBackupRoute, async ({ body, ...by }) => {
      const at = new Date(body.at)
      await reportHsmBackup(trustee, { ...orderOf(by), at, file: hsmBackup })
      return { at: body.at, newerRevisions: await store.countSealedAfter(at) }
    }),
    bindRoute(missingHsmKeysRoute, () => findMissingKeys(store, link())),
    bindRoute(listHoldsRoute, () => describeHolds(trustee)),
    bindRoute(releaseHoldsRoute, async ({ body: { uuids, all }, ...by }) => {
      const wanted = { ...(uuids ? { uuids: uuids as Uuid[] } : {}), ...(all ? { all } : {}) }
      return { released: await releaseHolds(trustee, { ...orderOf(by), ...wanted }) }
    }),
  ]
}
