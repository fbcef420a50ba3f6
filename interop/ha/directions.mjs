/**
 * Each server puts where a migration on another says: into another scope, out of the HSM, and back by a rollback. The workers
 * of the caller go on meanwhile, on every server.
 */
import { now } from './workers.mjs'

/** What a server that follows may add to a put: two seconds until it looks by itself, and a busy machine. */
const followMs = 4_500

const directions = [
  { order: 'migrate --to default --scope organisation', form: 'hsm organisation' },
  { order: 'migrate --to pass-through --i-understand', form: 'pass-through -' },
]
const former = 'hsm service'

/** @returns the longest that the second server's next put took, in ms. @throws when a put stands in another form. */
export async function followDirections({ databases, servers: [first, second] }, folder) {
  const put = async (handle) => {
    const began = now()
    await second.run(`keytrustee put ${handle} /etc/hostname --home ${folder}`)
    return now() - began
  }
  const took = []
  for (const [index, { order, form }] of directions.entries()) {
    for (const [step, wanted] of [
      [order, form],
      ['migrate rollback', former],
    ]) {
      const handle = `followed-${index}-${wanted === former ? 'back' : 'there'}`
      // One that is put while the direction changes, one afterwards.
      const [, meanwhile] = await Promise.all([
        first.run(`ktadmin ${step} --yes`),
        put(`${handle}-meanwhile`),
      ])
      took.push(meanwhile, await put(handle))
      const forms = formsIn(databases)
      if (forms !== wanted) throw new Error(`after ${step} there are ${forms}, not ${wanted}`)
      await second.run(`keytrustee get ${handle}-meanwhile --home ${folder}`, { quiet: true })
    }
  }
  const longest = Math.max(...took)
  if (longest > followMs) throw new Error(`a put took ${longest} ms to follow`)
  return longest
}

/** Every form there is, of all revisions of all deposits. */
function formsIn(databases) {
  const text = `select distinct sealing || ' ' || coalesce(scope, '-') from keytrustee.revisions order by 1`
  return databases.read(text).trim().split('\n').join(', ')
}
