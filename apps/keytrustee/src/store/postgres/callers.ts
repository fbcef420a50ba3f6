/** Who calls, at every request: one statement for client and organisation. */
import type { Uuid } from '@keyhsm/core'
import type { CallerRows } from '../store.js'
import { clientNames, toClient } from './clients.js'
import { organisationNames, toOrganisation } from './organisations.js'
import { findOne, type Queries } from './queries.js'

const prefix = 'organisation_'
const columns = [
  ...clientNames.map((name) => `clients.${name}`),
  ...organisationNames.map((name) => `organisations.${name} as ${prefix}${name}`),
]
const byClient = {
  name: 'callers_by_client',
  text: `select ${columns.join(', ')} from clients
    join organisations on organisations.uuid = clients.organisation where clients.uuid = $1`,
}

export function findCaller(queries: Queries, client: Uuid): Promise<CallerRows | undefined> {
  return findOne(queries, byClient, [client], (row) => ({
    client: toClient(row),
    organisation: toOrganisation(row.of(prefix)),
  }))
}
