import type { purgeDepositRoute, ReplyOf } from '@keyhsm/protocol'
import { TextReply } from '@keyhsm/service'
import type { Purged } from '../deposits/purge-deposit.js'

/** Status 202 while the HSM keys are still to be revoked: the deposit is unreadable already. */
export function toPurgeReply(purged: Purged): ReplyOf<typeof purgeDepositRoute> | TextReply {
  if (purged.deposit.state === 'purged') return purged
  return new TextReply(JSON.stringify(purged), 202, 'application/json')
}
