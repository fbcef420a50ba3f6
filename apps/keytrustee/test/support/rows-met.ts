/** What a statement really meets in the tables: shown by `explain analyze`, on a connection set up as the server's are. */
import type pg from 'pg'
import { planning, queriesOn } from '../../src/store/postgres/pool.js'
import type { Queries, Statement, Value } from '../../src/store/postgres/queries.js'
import { type TestDatabase, withClient } from './with-postgres.js'

interface PlanNode {
  readonly 'Relation Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly PlanNode[]
}

interface Run {
  readonly statement: Statement
  readonly values: readonly Value[]
}

/** How many rows of tables each statement of `work` met, in their order. Statements are run twice. */
export async function rowsMetBy(
  database: TestDatabase,
  work: (queries: Queries) => Promise<unknown>,
): Promise<readonly number[]> {
  return await withClient(database.service, async (client) => {
    for (const [name, value] of Object.entries({ search_path: 'keytrustee', ...planning }))
      await client.query(`set ${name} = ${value}`)
    const runs: Run[] = []
    const queries = queriesOn(client)
    await work({
      run(statement, values) {
        runs.push({ statement, values })
        return queries.run(statement, values)
      },
    })
    const rows: number[] = []
    for (const run of runs) rows.push(await rowsMet(client, run))
    return rows
  })
}

async function rowsMet(client: pg.Client, { statement, values }: Run): Promise<number> {
  const { rows } = await client.query<{ 'QUERY PLAN': readonly [{ Plan: PlanNode }] }>(
    `explain (analyze, format json) ${statement.text}`,
    [...values],
  )
  const [row] = rows
  if (!row) throw new Error('no plan')
  return rowsOf(row['QUERY PLAN'][0].Plan)
}

function rowsOf(node: PlanNode): number {
  const each = node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)
  const here = node['Relation Name'] === undefined ? 0 : each * node['Actual Loops']
  return (node.Plans ?? []).reduce((sum, plan) => sum + rowsOf(plan), here)
}
