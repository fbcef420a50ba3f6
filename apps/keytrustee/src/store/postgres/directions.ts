/** Where new deposits go. A lock that costs no row keeps a change of it and the puts before it apart. */
import { DomainError } from '@keyhsm/core'
import { DirectionChanged, type DirectionRow } from '../store.js'
import { change, type Columns, findOne, type Queries } from './queries.js'

/** By way of JSON: the columns came later than the table. */
const columns = `to_jsonb(joins) ->> 'directed' as directed, to_jsonb(joins) ->> 'direction' as direction,
  to_jsonb(joins) ->> 'direction_mac' as direction_mac`
const find = {
  name: 'directions_find',
  text: `select ${columns} from joins where to_jsonb(joins) ->> 'directed' is not null`,
}
const save = {
  name: 'directions_save',
  text: 'update joins set directed = $1, direction = $2, direction_mac = $3',
}
/** Any two numbers that nothing else in this schema locks. */
const lockKey = '1262769223, 1'
/** A statement of its own: what follows must see what was committed while it waited. */
const share = {
  name: 'directions_share',
  text: `select pg_advisory_xact_lock_shared(${lockKey})::text`,
}
const take = { name: 'directions_take', text: `select pg_advisory_xact_lock(${lockKey})::text` }

function toDirection(row: Columns): DirectionRow {
  return {
    directed: row.count('directed'),
    direction: row.text('direction'),
    mac: row.text('direction_mac'),
  }
}

export function findDirection(queries: Queries): Promise<DirectionRow | undefined> {
  return findOne(queries, find, [], toDirection)
}

export async function saveDirection(queries: Queries, row: DirectionRow): Promise<void> {
  const [, changed] = await Promise.all([
    change(queries, take, []),
    change(queries, save, [row.directed, row.direction, row.mac]),
  ])
  if (changed === 0) throw new DomainError('ERR_NOT_FOUND', 'nobody is joined to a Key HSM')
}

export async function requireDirection(
  queries: Queries,
  directed: number | undefined,
): Promise<void> {
  const [, found] = await Promise.all([change(queries, share, []), findDirection(queries)])
  if (found && found.directed !== directed) throw new DirectionChanged()
}
