import { type DomainError, newUuid } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { openDeposit } from '../../src/operations/open-deposit.js'
import type { Sealed } from '../../src/operations/seal-deposit.js'
import { sealDeposits, type ToSeal } from '../../src/operations/seal-deposits.js'
import { caller, makeWorkshop, newContext, type TestWorkshop, withVerbs } from '../workshop.js'

const toSeal = (text: string): ToSeal => ({ context: newContext(), content: Buffer.from(text) })

function seals(
  workshop: Parameters<typeof sealDeposits>[0],
  deposits: readonly ToSeal[],
  of: TestWorkshop,
) {
  const canary = of.partition.keys.canaryFingerprint
  return sealDeposits(workshop, caller, { requestId: newUuid(), canary, deposits })
}

describe('sealing several deposits', () => {
  it('seals each under a key of its own, with its own audit, and wipes what it was given', async () => {
    const workshop = await makeWorkshop()
    const asked = ['one', 'two', 'three'].map(toSeal)
    const sealed = (await seals(workshop, asked, workshop)) as readonly Sealed[]
    expect(new Set(sealed.map(({ hsmKeyId }) => hsmKeyId)).size).toBe(3)
    expect(asked.every(({ content }) => content.every((byte) => byte === 0))).toBe(true)
    const canary = workshop.partition.keys.canaryFingerprint
    for (const [index, text] of ['one', 'two', 'three'].entries()) {
      const { context } = asked[index] as ToSeal
      const order = { requestId: newUuid(), context, canary }
      const opened = openDeposit(workshop, caller, {
        ...order,
        sealed: sealed[index]?.sealed as Buffer,
      })
      expect((await opened).toString()).toBe(text)
    }
    const entries = await workshop.entries()
    expect(entries.filter((entry) => entry === 'intent seal')).toHaveLength(3)
    expect(entries.filter((entry) => entry === 'outcome seal done')).toHaveLength(3)
  })

  it('one that fails stops no other, and leaves no key', async () => {
    const workshop = await makeWorkshop()
    const { hsm } = workshop.partition
    let wraps = 0
    const failing = withVerbs(workshop, {
      wrapKey: async (...asked) => {
        wraps += 1
        if (wraps === 2) throw new Error('no second wrap')
        return await hsm.wrapKey(...asked)
      },
    })
    const large = toSeal('x'.repeat(2000))
    const results = await seals(
      failing,
      [toSeal('one'), toSeal('two'), large, toSeal('four')],
      workshop,
    )
    const codes = results.map((one) => (one as DomainError).code)
    expect(codes.filter((code) => code === undefined)).toHaveLength(2)
    expect(codes[2]).toBe('ERR_TOO_LARGE')
    const kept = results.flatMap((one) => ('hsmKeyId' in one ? [one.hsmKeyId] : []))
    const keys = await workshop.partition.hsm.listKeys()
    const left = keys.filter(({ label }) => label.startsWith('key1-')).map(({ id }) => id)
    expect(left.sort()).toEqual(kept.sort())
  })
})
