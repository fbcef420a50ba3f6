/** Lends the zone keys and an audit to a command that moves keys in or out, or ends them; the service may run beside it. */
import { readFile } from 'node:fs/promises'
import { systemClock } from '@keyhsm/core'
import { ed25519AuditSigner, openAudit } from '@keyhsm/service'
import { type AuditTrail, openAuditTrail } from '../audit/audit-trail.js'
import { HeadTelling } from '../audit/tell-head.js'
import type { Caller } from '../authentication/caller.js'
import type { Paths } from '../paths.js'
import type { KeyStore } from '../zone-keys/key-store.js'
import { withKeyStore } from './with-key-store.js'

/** What this audit's checkpoints are signed as: an entry of one log is worth nothing in the other. */
export const movesService = 'keytrustee-kms moves'

export interface Moving {
  readonly store: KeyStore
  readonly trail: AuditTrail
  readonly caller: Caller
}

/** One at a time. @throws ERR_AUDIT_UNAVAILABLE, also while another such command runs; as {@link withKeyStore}. */
export async function withMoves<Result>(
  paths: Paths,
  operator: string,
  use: (moving: Moving) => Promise<Result>,
): Promise<Result> {
  const audit = await openAudit({
    directory: paths.movesAudit,
    service: movesService,
    signer: ed25519AuditSigner(await readFile(paths.auditKey, 'utf8')),
  })
  try {
    const trail = openAuditTrail(audit, systemClock, () => undefined)
    const user = { short: operator, full: operator }
    return await withKeyStore(paths, async (store, trustee) => {
      try {
        return await use({ store, trail, caller: { user, by: 'operator' } })
      } finally {
        await new HeadTelling({ audit, trustee }).run()
      }
    })
  } finally {
    await audit.close()
  }
}
