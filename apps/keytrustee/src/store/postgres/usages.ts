/**
 * Quota figures without counting rows: `usages` holds one number a client and one an organisation, changed once at the
 * end of a transaction by what it changed. A put's reservation adds one; its commit turns a pending put into a deposit,
 * which adds nothing, so that commits of one organisation do not wait for each other.
 */
import type { Uuid } from '@keyhsm/core'
import type { DepositLimits, Usage } from '../store.js'
import { tooManyDeposits } from '../too-many-deposits.js'
import { type Columns, findOne, type Queries } from './queries.js'
import { sqlState } from './sqlstate.js'

/** What {@link toUsage} reads, of `subject` and since an instant: parameters of the statement. */
export function usageColumns(prefix: string, subject: string, since: string): string {
  return `coalesce((select deposits from usages where subject = ${subject}), 0) as ${prefix}deposits,
      (select coalesce(sum(count), 0) from hsm_key_counts
        where subject = ${subject} and minute_at >= date_trunc('minute', ${since}::timestamptz)) as ${prefix}hsm_keys`
}
const read = { name: 'usages_read', text: `select ${usageColumns('', '$1', '$2')}` }
/**
 * A number above its limit becomes null, which the column refuses: so PostgreSQL turns a COMMIT that was sent along into a
 * roll-back. The rows stay locked until then, and nobody's limit is passed by two at once.
 */
const add = {
  name: 'usages_add',
  text: `insert into usages (subject, deposits)
    select subject, case when change <= most then change end
    from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as changes (subject, change, most)
    on conflict (subject) do update set deposits =
      case when usages.deposits + excluded.deposits
          <= ($3::bigint[])[array_position($1::uuid[], usages.subject)]
        then usages.deposits + excluded.deposits end`,
}
const record = {
  name: 'hsm_key_counts_record',
  text: `insert into hsm_key_counts (subject, minute_at, count)
    select subject, date_trunc('minute', $3::timestamptz), $2::integer
    from unnest($1::uuid[]) as subject
    on conflict (subject, minute_at) do update set count = hsm_key_counts.count + excluded.count`,
}
const removeOld = {
  name: 'hsm_key_counts_delete_before',
  text: `delete from hsm_key_counts where minute_at < date_trunc('minute', $1::timestamptz)`,
}

/** What one transaction adds to the number of deposits of each client and organisation. */
export class UsageChanges {
  private readonly changes = new Map<Uuid, number>()
  private readonly limits = new Map<Uuid, number>()

  add(of: { readonly client: Uuid; readonly organisation: Uuid }, change: number): void {
    if (change === 0) return
    for (const subject of [of.client, of.organisation])
      this.changes.set(subject, this.of(subject) + change)
  }

  limit(
    of: { readonly client: Uuid; readonly organisation: Uuid },
    { client, organisation }: DepositLimits,
  ): void {
    this.limits.set(of.client, client).set(of.organisation, organisation)
  }

  of(subject: Uuid): number {
    return this.changes.get(subject) ?? 0
  }

  /**
   * Writes them, in one order for all transactions, so that two never wait for each other in a circle.
   * @throws ERR_QUOTA
   */
  async save(queries: Queries): Promise<void> {
    const subjects = [...this.changes.keys()].filter((subject) => this.of(subject) !== 0).sort()
    if (subjects.length === 0) return
    const changes = subjects.map((subject) => this.of(subject))
    const most = subjects.map((subject) => this.mostOf(subject))
    await queries.run(add, [subjects, changes, most]).catch((error: unknown) => {
      throw refusesNull(error) ? tooManyDeposits() : error
    })
  }

  /** Less is always allowed, also where a limit was lowered below what there is. */
  private mostOf(subject: Uuid): number {
    const limit = this.of(subject) > 0 ? this.limits.get(subject) : undefined
    return limit ?? Number.MAX_SAFE_INTEGER
  }
}

/** not_null_violation */
function refusesNull(error: unknown): boolean {
  return error instanceof Error && sqlState(error.cause) === '23502'
}

export function toUsage(row: Columns): Usage {
  return { deposits: row.count('deposits'), hsmKeys: row.count('hsm_keys') }
}

export async function readUsage(queries: Queries, subject: Uuid, since: Date): Promise<Usage> {
  return (await findOne(queries, read, [subject, since], toUsage)) ?? { deposits: 0, hsmKeys: 0 }
}

export async function recordHsmKeys(
  queries: Queries,
  of: { readonly client: Uuid; readonly organisation: Uuid },
  count: number,
  at: Date,
): Promise<void> {
  await queries.run(record, [[of.client, of.organisation].sort(), count, at])
}

export async function deleteHsmKeyCountsBefore(queries: Queries, instant: Date): Promise<void> {
  await queries.run(removeOld, [instant])
}
