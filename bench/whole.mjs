/**
 * The whole product: put and get of a registered client through the Trustee Server, Key HSM and PostgreSQL. The content
 * is 1 KiB of random bytes, as large as what `keytrustee put` would have sealed before; sealing at the client is not part
 * of it.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { measureBlock } from './lib/block.mjs'
import { openLimits, sealLimits } from './lib/limits.mjs'

const kept = 500

export const wholeLayer = {
  name: 'whole',
  plannedMs: ({ lengths, kinds, concurrencies, limitMs }) =>
    kinds.length * 2 * (concurrencies.length * lengths.whole + lengths.warm + 4 * limitMs),

  /** @param {import('./lib/bench.mjs').Bench} bench @param {import('./lib/services.mjs').Services} services */
  async run(bench, services, { scope, kind }) {
    const handles = []
    const content = randomBytes(1024).toString('base64')
    const common = {
      layer: 'whole',
      scope,
      kind,
      forMs: bench.lengths.whole,
      roles: services.roles,
      loops: services.loops,
      connect: () => services.connectTrustee(),
    }
    const put = async (connection) => {
      const requestId = randomUUID()
      const handle = `bench-${requestId}`
      const body = { requestId, content, scope }
      await connection.call('PUT', `/v1/deposits/${handle}`, body)
      if (handles.length < kept) handles.push(handle)
    }
    let next = 0
    const get = async (connection) => {
      const handle = handles[next++ % handles.length]
      const reply = await connection.call('GET', `/v1/deposits/${handle}`)
      if (reply.content !== content) throw new Error('a get gave other bytes than were put')
    }
    await measureBlock(bench, {
      ...common,
      operation: 'put',
      limit: sealLimits[`${scope} ${kind}`],
      step: put,
    })
    await measureBlock(bench, {
      ...common,
      operation: 'get',
      limit: openLimits[kind],
      step: get,
    })
  },
}
