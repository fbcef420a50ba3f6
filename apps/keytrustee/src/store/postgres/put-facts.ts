/** What a put is planned with, at every put: one statement for its earlier answer, its deposits and the quotas. */
import type { PutFacts, PutQuestion } from '../store.js'
import { columns, toDeposit } from './deposits.js'
import { findAll, type Queries } from './queries.js'
import { columns as requestColumns, toRequest } from './requests.js'
import { usageColumns, toUsage } from './usages.js'

const answer = 'answer_'
const answerColumns = requestColumns
  .map((name) => `requests.${name} as ${answer}${name}`)
  .join(', ')
/**
 * A row for each deposit that is there, and one where there is none, or nothing is asked about them: after an answer. Each handle is
 * looked up alone, however many there are.
 */
const find = {
  name: 'put_facts',
  text: `select ${columns}, ${answerColumns},
      ${usageColumns('client_', '$2', '$5')}, ${usageColumns('organisation_', '$3', '$5')}
    from (values (1)) as asked (once)
    left join requests on requests.request_id = $1 and requests.client = $2
    left join (
      unnest($4::text[]) as wanted (handle) cross join lateral (
        select * from deposits as present
        where present.owner = $2 and present.handle = wanted.handle::handle and present.state <> 'purged'
        limit 1
      ) as deposits
    ) on requests.request_id is null`,
}

export async function findPutFacts(queries: Queries, o: PutQuestion): Promise<PutFacts> {
  const values = [o.requestId, o.client, o.organisation, o.handles, o.since]
  const rows = await findAll(queries, find, values, (row) => ({
    answer:
      row.optionalText(`${answer}request_id`) === undefined ? undefined : toRequest(row.of(answer)),
    deposit: row.optionalText('uuid') === undefined ? undefined : toDeposit(row),
    client: toUsage(row.of('client_')),
    organisation: toUsage(row.of('organisation_')),
  }))
  const [first] = rows
  if (!first) throw new Error('a statement without a condition found nothing')
  const { answer: answered, client, organisation } = first
  const deposits = rows.flatMap(({ deposit }) => deposit ?? [])
  return { answer: answered, deposits, client, organisation }
}
