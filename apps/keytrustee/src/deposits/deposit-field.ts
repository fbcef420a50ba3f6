import type { listDepositsRoute, PolicyField, ReplyOf } from '@keyhsm/protocol'
import type { Policy } from '../policies/policy.js'
import type { Deposit, RevisionMeta } from '../store/store.js'

/** A deposit as the wire shows it. */
export type DepositReply = ReplyOf<typeof listDepositsRoute>['deposits'][number]

/** `latest` is the deposit's newest revision. */
export function toDepositReply(
  deposit: Deposit,
  latest: Pick<RevisionMeta, 'uuid' | 'contentBytes' | 'sealing'>,
): DepositReply {
  return {
    uuid: deposit.uuid,
    handle: deposit.handle,
    organisation: deposit.organisation,
    owner: deposit.owner,
    state: deposit.state,
    revision: deposit.revision,
    revisionUuid: latest.uuid,
    contentBytes: latest.contentBytes,
    sealing: latest.sealing,
    createdAt: deposit.createdAt.toISOString(),
    updatedAt: deposit.updatedAt.toISOString(),
    ...toPolicyReply(deposit.policy),
    ...(deposit.undeleteUntil ? { undeleteUntil: deposit.undeleteUntil.toISOString() } : {}),
  }
}

function toPolicyReply(policy: Policy | undefined): Pick<DepositReply, 'policy' | 'trustees'> {
  const { trustees, networks, clients, groups, ...rest } = policy ?? {}
  const laidDown: PolicyField = {
    ...rest,
    ...(networks === undefined ? {} : { networks: [...networks] }),
    ...(clients === undefined ? {} : { clients: [...clients] }),
    ...(groups === undefined ? {} : { groups: [...groups] }),
  }
  const given = trustees && {
    required: trustees.required,
    clients: trustees.trustees.map(({ client }) => client),
  }
  return {
    ...(Object.keys(laidDown).length === 0 ? {} : { policy: laidDown }),
    ...(given ? { trustees: given } : {}),
  }
}
