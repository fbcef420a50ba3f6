import type { Backlog, BacklogLook } from '../store.js'
import { findAll, findOne, type Queries } from './queries.js'

const waiting = {
  name: 'backlog_waiting',
  text: `select (select count(*) from clients where state = 'waiting') as clients,
      (select count(*) from retrieval_requests where state = 'open' and expires_at > $1) as approvals,
      (select count(*) from deposits where state = 'purging') as purges`,
}
const fullest = {
  name: 'backlog_fullest',
  text: `select organisations.name, usages.deposits from usages
    join organisations on organisations.uuid = usages.subject
    where usages.deposits >= $1 order by usages.deposits desc, organisations.name limit $2`,
}

export async function readBacklog(queries: Queries, o: BacklogLook): Promise<Backlog> {
  const counts = await findOne(queries, waiting, [o.now], (row) => ({
    waitingClients: row.count('clients'),
    openRequests: row.count('approvals'),
    purging: row.count('purges'),
  }))
  const organisations = await findAll(queries, fullest, [o.fullFrom, o.limit], (row) => ({
    name: row.text('name'),
    deposits: row.count('deposits'),
  }))
  return { waitingClients: 0, openRequests: 0, purging: 0, ...counts, fullest: organisations }
}
