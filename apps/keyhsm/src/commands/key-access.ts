/** Listing and revoking keys through the running service, or alone when it does not run. */
import type { Transport } from '@keyhsm/client'
import { DomainError, hasCode, type HsmKeyId, newUuid } from '@keyhsm/core'
import {
  administeredKeysRoute,
  keyHsmStatusRoute,
  type ReplyOf,
  revokeAdministeredKeyRoute,
} from '@keyhsm/protocol'
import { openAudit } from '@keyhsm/service'
import { listAllKeys } from '../operations/list-keys.js'
import { type RevokeOutcome, revokeAnyKey } from '../operations/revoke-key.js'
import type { Partition } from '../partition/partition.js'
import type { Paths } from '../paths.js'
import { toAuditSigner } from '../service/audit-signer.js'
import { readTrustList } from '../trust/trust-list.js'
import { withPartitions } from './with-partition.js'
import { isRunning, withService } from './with-service.js'

/** A key as an administrator sees it, with the HSM that holds it. */
export type AdministeredKey = ReplyOf<typeof administeredKeysRoute>['keys'][number] & {
  readonly backend: string
}

export interface KeyAccess {
  /** All keys, or those with this whole label or id. */
  list(name?: string): Promise<AdministeredKey[]>
  revoke(key: Pick<AdministeredKey, 'id' | 'backend'>): Promise<RevokeOutcome>
  /** HSMs that could not be asked, known once the keys are listed: their keys are missing. */
  readonly unreachable: readonly string[]
}

/** One HSM. */
interface OneAccess {
  readonly backend: string
  list(name?: string): Promise<Omit<AdministeredKey, 'backend'>[]>
  revoke(id: HsmKeyId): Promise<RevokeOutcome>
}

/** Lends access to the keys of every backend, or of the one with the name. */
export async function withKeys<Result>(
  paths: Paths,
  use: (keys: KeyAccess) => Promise<Result>,
  name?: string,
): Promise<Result> {
  if (!isRunning(paths))
    return await withPartitions(
      paths,
      ({ partitions, unreachable }) =>
        use(
          joinAccess(
            partitions.map((one) => accessAlone(paths, one)),
            unreachable,
          ),
        ),
      name,
    )
  return await withService(paths, async (service) => {
    const all = (await service.call(keyHsmStatusRoute, {})).backends.map((one) => one.name)
    const names = name === undefined ? all : [name]
    return await use(
      joinAccess(
        names.map((one) => accessThrough(service, one)),
        [],
      ),
    )
  })
}

/** Of several HSMs those that cannot be asked are left out and named; of one alone it is an error. */
function joinAccess(all: readonly OneAccess[], unreachable: readonly string[]): KeyAccess {
  const missing = new Set(unreachable)
  const alone = all.length + missing.size === 1
  return {
    get unreachable() {
      return [...missing]
    },
    async list(name) {
      const keys: AdministeredKey[] = []
      for (const one of all) {
        const { backend } = one
        const listed = await one.list(name).catch((error: unknown) => {
          if (alone || !hasCode(error, 'ERR_HSM_UNAVAILABLE')) throw error
          missing.add(backend)
          return []
        })
        keys.push(...listed.map((key) => ({ ...key, backend })))
      }
      return keys
    },
    revoke({ id, backend }) {
      const one = all.find((access) => access.backend === backend)
      if (!one) throw new DomainError('ERR_NOT_FOUND', `there is no backend ${backend}`)
      return one.revoke(id as HsmKeyId)
    },
  }
}

function accessThrough(service: Transport, backend: string): OneAccess {
  return {
    backend,
    async list(wanted) {
      const keys: Omit<AdministeredKey, 'backend'>[] = []
      let after: string | undefined
      do {
        const query = {
          backend,
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
      const body = { requestId: newUuid(), hsmKeyId, backend }
      return (await service.call(revokeAdministeredKeyRoute, { body })).outcome
    },
  }
}

function accessAlone(
  paths: Paths,
  { backend, partition }: { readonly backend: string; readonly partition: Partition },
): OneAccess {
  return {
    backend,
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
