import { describe, expect, it } from 'vitest'
import type { AuditLogHead } from '@keyhsm/client'
import { HeadExchange } from '../../src/sealing/exchange-heads.js'
import type { KeyHsmLink } from '../../src/sealing/key-hsm-link.js'

const peer = { log: 'b'.repeat(16), sequence: 70, hash: '7'.repeat(64) }

/** An audit whose head counts up with each entry, and a Key HSM that notes what it is told. */
function surroundings() {
  const told: AuditLogHead[] = []
  const anchored: unknown[] = []
  let sequence = 5
  const head = () => ({ sequence, hash: String(sequence).padStart(64, '0') })
  const audit = {
    id: 'a'.repeat(16),
    head,
    anchor: async (...what: unknown[]) => {
      anchored.push(what)
      sequence += 1
      return head()
    },
  }
  const calls = {
    exchangeHeads: async (own: AuditLogHead) => {
      told.push(own)
      return peer
    },
  }
  const write = () => {
    sequence += 1
  }
  return { audit, link: { calls } as unknown as KeyHsmLink, told, anchored, write }
}

type Audit = ConstructorParameters<typeof HeadExchange>[0]

describe('the exchange of heads', () => {
  it('tells this head and records the other', async () => {
    const { audit, link, told, anchored } = surroundings()
    await new HeadExchange(audit as unknown as Audit, () => link).run()
    expect(told).toEqual([{ log: audit.id, sequence: 5, hash: '5'.padStart(64, '0') }])
    expect(anchored).toEqual([[`keyhsm/${peer.log}`, peer.sequence, peer.hash]])
  })

  it('says nothing while nothing else was written, and again when something was', async () => {
    const { audit, link, told, write } = surroundings()
    const exchange = new HeadExchange(audit as unknown as Audit, () => link)
    await exchange.run()
    await exchange.run()
    expect(told).toHaveLength(1)
    write()
    await exchange.run()
    expect(told.map(({ sequence }) => sequence)).toEqual([5, 7])
  })

  it('counts an entry that came meanwhile as not told', async () => {
    const { audit, link, told, write } = surroundings()
    const { calls } = link as unknown as {
      calls: { exchangeHeads: (own: AuditLogHead) => unknown }
    }
    const first = calls.exchangeHeads
    calls.exchangeHeads = (own) => {
      write()
      return first(own)
    }
    const exchange = new HeadExchange(audit as unknown as Audit, () => link)
    await exchange.run()
    await exchange.run()
    expect(told).toHaveLength(2)
  })

  it('does nothing without a Key HSM', async () => {
    const { audit, told } = surroundings()
    await new HeadExchange(audit as unknown as Audit, () => undefined).run()
    expect(told).toEqual([])
  })
})
