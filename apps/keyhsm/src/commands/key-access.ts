/** Listing and revoking keys through the running service, or alone when it does not run. */
import { type HsmKeyId, newUuid } from '@keyhsm/core'
import { administeredKeysRoute, type ReplyOf, revokeAdministeredKeyRoute } from '@keyhsm/protocol'
import { openAudit } from '@keyhsm/service'
import { listAllKeys } from '../operations/list-keys.js'
import { type RevokeOutcome, revokeAnyKey } from '../operations/revoke-key.js'
import type { Partition } from '../partition/partition.js'
import type { Paths } from '../paths.js'
import { toAuditSigner } from '../service/audit-signer.js'
import { readTrustList } from '../trust/trust-list.js'
import { withPartition } from './with-partition.js'
import { isRunning, withService } from './with-service.js'

export type AdministeredKey = ReplyOf<typeof administeredKeysRoute>['keys'][number]

export interface KeyAccess {
  /** All keys, or those with this whole label or id. */
  list(name?: string): Promise<AdministeredKey[]>
  revoke(id: HsmKeyId): Promise<RevokeOutcome>
}

/** Lends access to the keys of one backend: the default one unless a name is given. */
export async function withKeys<Result>(
  paths: Paths,
  use: (keys: KeyAccess) => Promise<Result>,
  name?: string,
): Promise<Result> {
  if (!isRunning(paths)) {
    return await withPartition(paths, (partition) => use(accessAlone(paths, partition)), name)
  }
  const backend = name === undefined ? {} : { backend: name }
  return await withService(paths, (service) =>
    use({
      async list(wanted) {
        const keys: AdministeredKey[] = []
        let after: string | undefined
        do {
          const query = {
            ...backend,
            ...(wanted === undefined ? {} : { name: wanted }),
            ...(after === undefined ? {} : { after }),
          }
          const page = await service.call(administeredKeysRoute, { query })
          keys.push(...page.keys)
          after = page.next
        } while (after !== undefined)
        return keys
      },
      async revoke(hsmKeyId) {
        const body = { requestId: newUuid(), hsmKeyId, ...backend }
        return (await service.call(revokeAdministeredKeyRoute, { body })).outcome
      },
    }),
  )
}

function accessAlone(paths: Paths, partition: Partition): KeyAccess {
  return {
    async list(name) {
      const { realms } = await readTrustList(paths.truststore)
      const limit = Number.MAX_SAFE_INTEGER
      const only = name === undefined ? {} : { name }
      return (await listAllKeys(partition, realms, { limit, ...only })).keys
    },
    async revoke(hsmKeyId) {
      const signer = toAuditSigner(partition)
      const audit = await openAudit({
        directory: paths.audit,
        service: 'keyhsm',
        ...(signer === undefined ? {} : { signer }),
      })
      try {
        const workshop = { partition, audit }
        const request = { requestId: newUuid(), hsmKeyId }
        return await revokeAnyKey(workshop, 'administrator local', request)
      } finally {
        await audit.close()
      }
    },
  }
}
