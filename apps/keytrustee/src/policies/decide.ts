/** When a deposit may be used, decided from facts alone: no I/O, so that every case is one row of a test. */
import { DomainError, irretrievable } from '@keyhsm/core'
import type { Client, Deposit } from '../store/store.js'

export interface Facts {
  readonly client: Client
  readonly deposit: Deposit
  /** It was ordered to be unreadable, whatever its row says: the database may be an older one. */
  readonly revoked: boolean
}

export type Decision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly reason: 'not-active' | 'not-owner' | 'removed' | 'purged' }

type Refusal = Exclude<Decision, { allowed: true }>['reason']

/** Checked in this order: who asks, whose it is, in which state it is. */
export function decide({ client, deposit, revoked }: Facts): Decision {
  if (client.state !== 'active') return { allowed: false, reason: 'not-active' }
  const owns = deposit.owner === client.uuid && deposit.organisation === client.organisation
  if (!owns) return { allowed: false, reason: 'not-owner' }
  if (revoked) return { allowed: false, reason: 'purged' }
  if (deposit.state === 'disabled') return { allowed: false, reason: 'removed' }
  if (deposit.state !== 'active') return { allowed: false, reason: 'purged' }
  return { allowed: true }
}

/** What the caller hears: a deposit that is not his looks like one that is not there. */
export function refusal(reason: Refusal, deposit: Deposit): DomainError {
  if (reason === 'not-active')
    return new DomainError('ERR_NOT_AUTHENTICATED', 'not an active client')
  if (reason === 'not-owner') return noSuchDeposit()
  if (reason === 'purged') return irretrievable()
  return removedDeposit(deposit)
}

export function noSuchDeposit(): DomainError {
  return new DomainError('ERR_NOT_FOUND', 'there is no such deposit')
}

export function removedDeposit(deposit: Deposit): DomainError {
  if (deposit.state === 'purging')
    return new DomainError(
      'ERR_DISABLED',
      'the deposit is being purged: its handle is free after that',
    )
  const until = deposit.undeleteUntil?.toISOString()
  const window = until === undefined ? '' : `; undelete is possible until ${until}`
  return new DomainError('ERR_DISABLED', `the deposit was removed${window}`)
}
