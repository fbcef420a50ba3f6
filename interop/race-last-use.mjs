#!/usr/bin/env node
/**
 * `npm run race:last-use -- ROUNDS`: two clients race for the last use of a deposit, on the whole product with a real
 * PostgreSQL. Each round a deposit with two uses (one is taken in peace) or with a single one; then the owner and a reader ask at the same
 * moment over connections of their own. Exactly one may win; never more than the limit, and no use may be lost. At the end
 * the Key HSM's own audit must have released as often as clients were answered.
 */
import { join } from 'node:path'
import { runMain } from '../scripts/lib/say.mjs'
import { entriesAfter } from './faults/lib/audit.mjs'
import { Stack } from './lib/stack.mjs'
import { openTrustee } from './lib/trustee.mjs'

const rounds = Number(process.argv[2] ?? 1000)

await runMain(async () => {
  const stack = await Stack.create()
  try {
    await stack.bringUp()
    const second = join(stack.home, 'second')
    await stack.run(
      `KEYHSM_HOME=${second} keytrustee register --server ${stack.url} --org demo --auth-file ${stack.authFile} --server-fingerprint ${await stack.serverFingerprint()} --clientname second`,
    )
    const owner = await openTrustee(stack)
    const reader = await openTrustee({ home: second })
    const counts = { rounds: 0, both: 0, none: 0, faults: 0, released: 0 }
    for (let round = 0; round < rounds; round += 1) await race(owner, reader, round, counts)
    await Promise.all([owner.transport.close(), reader.transport.close()])
    const audited = countReleased(stack)
    console.log(
      `rounds ${counts.rounds}, exactly one ${counts.rounds - counts.both - counts.none}, both ${counts.both}, none ${counts.none}, other faults ${counts.faults}, answered ${counts.released}, released by Key HSM ${audited}`,
    )
    const right = counts.both + counts.none + counts.faults === 0 && audited === counts.released
    return right && counts.rounds === rounds ? 0 : 1
  } finally {
    await stack.remove()
  }
})

async function race(owner, reader, round, counts) {
  const single = round % 2 === 0
  const handle = `race-${round}`
  const policy = { maxRetrievals: single ? 1 : 2, clients: ['second'] }
  const { uuid } = await owner.trustee.put({
    handle,
    content: Buffer.from(String(round)),
    scope: 'service',
    policy,
  })
  if (!single) counts.released += (await owner.trustee.get(handle)) ? 1 : 0
  const racers = round % 4 < 2 ? [owner, reader] : [reader, owner]
  const outcomes = await Promise.allSettled(racers.map(({ trustee }) => trustee.get(uuid)))
  const won = outcomes.filter(({ status }) => status === 'fulfilled').length
  counts.rounds += 1
  counts.released += won
  counts.both += won === 2 ? 1 : 0
  counts.none += won === 0 ? 1 : 0
  counts.faults += outcomes.filter(
    ({ reason }) => reason !== undefined && reason.code !== 'ERR_NOT_ALLOWED',
  ).length
}

function countReleased(stack) {
  return entriesAfter(stack, 'keyhsm').filter(
    ({ operation, outcome, subject }) =>
      operation === 'open' && outcome === 'released' && /^race-/.test(subject?.handle ?? ''),
  ).length
}
