/** Quotas: checked before the HSM is touched; those of deposits are counted once more by the commit itself. */
import { DomainError, type Uuid } from '@keyhsm/core'
import type { Reader, Transaction, Usage } from '../store/store.js'
import type { Limits, Trustee } from '../trustee.js'

/** The window in which new HSM keys are counted. */
export const hsmKeyWindowMs = 3600_000

export interface Demand {
  readonly newDeposits: number
  readonly newHsmKeys: number
}

/** What a client and its organisation use now. */
export interface Usages {
  readonly client: Usage
  readonly organisation: Usage
}

/** Asks for both at once. They hold as long as the organisation's lock is held. */
export async function readUsages(
  reader: Reader,
  of: { readonly client: Uuid; readonly organisation: Uuid },
  now: Date,
): Promise<Usages> {
  const since = new Date(now.getTime() - hsmKeyWindowMs)
  const [client, organisation] = await Promise.all([
    reader.readUsage({ client: of.client }, since),
    reader.readUsage({ organisation: of.organisation }, since),
  ])
  return { client, organisation }
}

/** What was read may be old when it is committed, beside puts that lock nothing: so the commit looks again. */
export function limitDeposits(
  { limits }: Pick<Trustee, 'limits'>,
  transaction: Transaction,
  of: { readonly client: Uuid; readonly organisation: Uuid },
): Promise<void> {
  const { depositsPerClient: client, depositsPerOrganisation: organisation } = limits
  return transaction.limitDeposits(of, { client, organisation })
}

/** @throws ERR_QUOTA naming the quota and its setting. */
export function requireQuota(
  { client, organisation }: Usages,
  { newDeposits, newHsmKeys }: Demand,
  limits: Limits,
): void {
  const quotas = [
    [client.deposits, newDeposits, limits.depositsPerClient, 'deposits of a client'],
    [
      organisation.deposits,
      newDeposits,
      limits.depositsPerOrganisation,
      'deposits of an organisation',
    ],
    [client.hsmKeys, newHsmKeys, limits.hsmKeysPerHourPerClient, keysAnHour('client')],
    [
      organisation.hsmKeys,
      newHsmKeys,
      limits.hsmKeysPerHourPerOrganisation,
      keysAnHour('organisation'),
    ],
  ] as const
  for (const [used, more, limit, name] of quotas)
    if (more > 0 && used + more > limit) throw exceeded(name, limit)
}

function keysAnHour(whose: string): string {
  return `new HSM keys an hour of one ${whose}`
}

function exceeded(name: string, limit: number): DomainError {
  return new DomainError('ERR_QUOTA', `the quota of ${limit} ${name} is used up`, {
    retryAfterMs: 60_000,
  })
}
