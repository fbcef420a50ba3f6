/** The rows by which servers hand on client authorities. On the schema of the release before there are none. */
import { DomainError } from '@keyhsm/core'
import type { SharedAuthorities } from '../shared-authorities.js'
import type { Queries } from './queries.js'

const isThere = {
  name: 'authorities_there',
  text: `select to_regclass('keytrustee.client_authorities') is not null as there`,
}
const find = {
  name: 'authorities_find',
  text: 'select sequence, sealed from keytrustee.client_authorities',
}
const publish = {
  name: 'authorities_publish',
  text: `insert into keytrustee.client_authorities as before (sequence, sealed) values ($1, $2)
    on conflict (one) do update set sequence = excluded.sequence, sealed = excluded.sealed, changed_at = now()
    where before.sequence = $3`,
}
const take = {
  name: 'authorities_take',
  text: `insert into keytrustee.client_authorities_taken (node, sequence) values ($1, $2)
    on conflict (node) do update set sequence = excluded.sequence, taken_at = now()`,
}
const listTaken = {
  name: 'authorities_taken',
  text: 'select node::text, sequence from keytrustee.client_authorities_taken',
}

/** `reading` and `writing` lend the copy to be asked at each call, and throw when there is none. */
export function sharedAuthorities(o: {
  reading(): Queries
  writing(): Queries
}): SharedAuthorities {
  let there = false
  const isKnown = async (): Promise<boolean> => {
    there ||= (await o.reading().run(isThere, [])).rows[0]?.flag('there') === true
    return there
  }
  return {
    async find() {
      if (!(await isKnown())) return undefined
      const [row] = (await o.reading().run(find, [])).rows
      return row && { sequence: row.integer('sequence'), sealed: row.bytes('sealed') }
    },
    async publish({ sequence, sealed }, before) {
      if (!(await isKnown())) throw olderSchema()
      return (await o.writing().run(publish, [sequence, sealed, before])).rowCount > 0
    },
    async take(node, sequence) {
      if (await isKnown()) await o.writing().run(take, [node, sequence])
    },
    async taken() {
      if (!(await isKnown())) return new Map()
      const { rows } = await o.reading().run(listTaken, [])
      return new Map(rows.map((row) => [row.uuid('node'), row.integer('sequence')]))
    },
  }
}

function olderSchema(): DomainError {
  return new DomainError(
    'ERR_CONFLICT',
    'the schema of the database is that of the release before',
    {
      hints: ['bring it up to date as the role that owns it: ktadmin db migrate'],
    },
  )
}
