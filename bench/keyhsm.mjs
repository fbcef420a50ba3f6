/**
 * Key HSM alone: seal and open over mTLS with its audit, called as the Trustee Server calls it, without one. Deposits of
 * 1 KiB. In scope `deposit` each seal makes an HSM key, and each open uses the key of another deposit.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { measureBlock } from './lib/block.mjs'
import { openLimits, sealLimits } from './lib/limits.mjs'

/** Sealed deposits that are opened again and again, in turn. */
const kept = 500

export const keyHsmLayer = {
  name: 'keyhsm',
  plannedMs: ({ lengths, kinds, concurrencies, limitMs }) =>
    kinds.length * 2 * (concurrencies.length * lengths.keyhsm + lengths.warm + 4 * limitMs),

  run: (bench, services, variant) => measureSealsAndOpens(bench, services, variant, 'keyhsm'),
}

/** @param {import('./lib/bench.mjs').Bench} bench @param {import('./lib/services.mjs').Services} services */
export async function measureSealsAndOpens(bench, services, { scope, kind }, layer) {
  const { canary } = await services.describe()
  const organisation = randomUUID()
  const deposits = []
  const content = randomBytes(1024).toString('base64')
  const common = {
    layer,
    scope,
    kind,
    forMs: bench.lengths.keyhsm,
    roles: services.roles,
    loops: services.loops,
    connect: () => services.connectKeyHsm(),
  }
  const seal = async (connection) => {
    const requestId = randomUUID()
    const context = { organisation, deposit: requestId, handle: 'bench', revision: 1 }
    const body = { requestId, context, content, canary }
    const { sealed } = await connection.call('POST', '/v1/seal', body)
    if (deposits.length < kept) deposits.push({ context, sealed })
  }
  let next = 0
  const open = async (connection) => {
    const { context, sealed } = deposits[next++ % deposits.length]
    const body = { requestId: randomUUID(), context, sealed, canary }
    const reply = await connection.call('POST', '/v1/open', body)
    if (reply.content !== content) throw new Error('an open gave other bytes than were sealed')
  }
  await measureBlock(bench, {
    ...common,
    operation: 'seal',
    limit: sealLimits[`${scope} ${kind}`],
    step: seal,
  })
  await measureBlock(bench, {
    ...common,
    operation: 'open',
    limit: openLimits[kind],
    step: open,
  })
}
