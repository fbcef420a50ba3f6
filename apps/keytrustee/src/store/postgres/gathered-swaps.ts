/**
 * Forms exchanged against others, many in one statement: what a migration asks for in one turn of the event loop. Each is
 * exchanged, or not, as if it were alone.
 */
import { chunkSize, parameterRows } from './gathered-inserts.js'
import { findAll, type Queries, type Statement, type Value } from './queries.js'

/** Columns of a form. */
const form = [
  'sealing',
  'hsm_key_id',
  'hsm_key_label',
  'scope',
  'kind',
  'canary',
  'sealed_at',
  'stored',
] as const
export const formColumns = form.join(', ')
export const nobodyPurges = `deposits.state in ('active', 'disabled')`

/** Parameters of one exchange, in their order: the revision as it must still be, its next form, and what is kept. */
const given = {
  uuid: 'uuid',
  was_sealing: 'text',
  was_hsm_key_id: 'text',
  was_hash: 'bytea',
  sealing: 'text',
  hsm_key_id: 'text',
  hsm_key_label: 'text',
  scope: 'text',
  kind: 'text',
  canary: 'text',
  sealed_at: 'timestamptz',
  stored: 'bytea',
  grant_mac: 'text',
  other_grant_mac: 'text',
  swapped_back: 'boolean',
} as const
const types = Object.values(given)

/** The deposits are locked against a purge, which lists the keys to revoke after its own change of them. */
function textOf(rows: number): string {
  const ofPresent = form.map((column) => `present.${column}`).join(', ')
  const next = form.map((column) => `${column} = given.${column}`).join(', ')
  return `with given (${Object.keys(given).join(', ')}) as (
      values ${parameterRows(rows, { stride: types.length, types })}
    ), present as (
      select revisions.* from given join revisions on revisions.uuid = given.uuid
      join deposits on deposits.uuid = revisions.deposit
      where ${nobodyPurges} and revisions.sealing = given.was_sealing
        and revisions.hsm_key_id is not distinct from given.was_hsm_key_id
        and sha256(revisions.stored) = given.was_hash
      for update of revisions for share of deposits
    ), kept as (
      insert into former_revisions (uuid, deposit, revision, grant_mac, other_grant_mac, swapped_back, ${formColumns})
      select uuid, present.deposit, present.revision, given.grant_mac, given.other_grant_mac, given.swapped_back, ${ofPresent}
      from present join given using (uuid)
      on conflict (uuid) do update set other_grant_mac = excluded.other_grant_mac
    )
    update revisions set ${next} from present join given using (uuid)
    where revisions.uuid = present.uuid returning revisions.uuid`
}

const statements = new Map<number, Statement>()

function statementFor(rows: number): Statement {
  const known = statements.get(rows)
  if (known) return known
  const made = { name: `moves_swap_${rows}`, text: textOf(rows) }
  statements.set(rows, made)
  return made
}

interface Waiting {
  readonly row: readonly Value[]
  readonly resolve: (swapped: boolean) => void
  readonly reject: (error: unknown) => void
}

/** The exchanges of one transaction. */
export class GatheredSwaps {
  private readonly queries: Queries
  private waiting: Waiting[] = []

  constructor(queries: Queries) {
    this.queries = queries
  }

  /** Exchanges one form, together with those of the same turn; no revision twice. `row`: as {@link given}. @returns whether it was as expected */
  swap(row: readonly Value[]): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.waiting.length === 0) queueMicrotask(() => this.flush())
      this.waiting.push({ row, resolve, reject })
    })
  }

  private flush(): void {
    const all = this.waiting
    this.waiting = []
    for (let sent = 0; sent < all.length; ) {
      const some = all.slice(sent, sent + chunkSize(all.length - sent))
      void this.send(some)
      sent += some.length
    }
  }

  private async send(some: readonly Waiting[]): Promise<void> {
    try {
      const values = some.flatMap(({ row }) => row)
      const uuids = await findAll(this.queries, statementFor(some.length), values, (row) =>
        row.uuid('uuid'),
      )
      const swapped = new Set<Value | undefined>(uuids)
      for (const { row, resolve } of some) resolve(swapped.has(row[0]))
    } catch (error) {
      for (const { reject } of some) reject(error)
    }
  }
}
