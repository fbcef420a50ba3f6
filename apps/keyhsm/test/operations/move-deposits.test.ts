import { type DomainError, newUuid, parseRealm, systemClock } from '@keyhsm/core'
import type { Audit, AuditEntry } from '@keyhsm/service'
import { describe, expect, it } from 'vitest'
import type { Caller, PlacedWorkshop } from '../../src/operations/caller.js'
import { moveDeposits, type ToMove } from '../../src/operations/move-deposits.js'
import { openDeposit } from '../../src/operations/open-deposit.js'
import { RealmRate } from '../../src/operations/realm-rate.js'
import { type Sealed, sealDeposit } from '../../src/operations/seal-deposit.js'
import { caller, makeWorkshop, newContext, sealRequest, withVerbs } from '../workshop.js'

function move(workshop: PlacedWorkshop, deposits: readonly ToMove[], who: Caller = caller) {
  const target = {
    canary: workshop.partition.keys.canaryFingerprint,
    scope: 'service',
    kind: 'aes-256',
    otherKey: false,
  } as const
  return moveDeposits(workshop, who, { requestId: newUuid(), deposits, target })
}

const unsealed = (text: string): ToMove => ({ context: newContext(), content: Buffer.from(text) })

async function sealedOne(workshop: PlacedWorkshop, text: string) {
  const request = sealRequest(workshop, text)
  const { sealed } = await sealDeposit(workshop, caller, request)
  return { context: request.context, canary: request.canary, sealed: Buffer.from(sealed) }
}

describe('moving deposits', () => {
  it('seals what is not, seals anew what is, each with its audit, all openable', async () => {
    const workshop = await makeWorkshop()
    const old = await sealedOne(workshop, 'two')
    const one = unsealed('one')
    const moved = (await move(workshop, [one, old])) as readonly Sealed[]
    expect(moved).toMatchObject([{ scope: 'service' }, { scope: 'service', kind: 'aes-256' }])
    const { canary } = old
    for (const [index, text] of ['one', 'two'].entries()) {
      const { context } = [one, old][index] ?? old
      const sealed = moved[index]?.sealed ?? Buffer.alloc(0)
      const opened = openDeposit(workshop, caller, {
        requestId: newUuid(),
        context,
        canary,
        sealed,
      })
      expect((await opened).toString()).toBe(text)
    }
    const entries = await workshop.entries()
    expect(entries.filter((entry) => entry === 'outcome seal done')).toHaveLength(2)
    expect(entries.filter((entry) => entry === 'outcome reseal done')).toHaveLength(1)
  })

  it('says in the audit of a seal that the form was opened, which a put alone does not', async () => {
    const workshop = await makeWorkshop()
    const kept: AuditEntry[] = []
    const append = (entry: AuditEntry) => {
      kept.push(entry)
      return workshop.audit.append(entry)
    }
    const watched = { ...workshop, audit: { ...workshop.audit, append } as Audit }
    await sealDeposit(watched, caller, sealRequest(workshop, 'put'))
    await move(watched, [unsealed('one')])
    const done = kept.filter(({ outcome }) => outcome === 'done')
    expect(done.map(({ subject }) => subject?.verified)).toEqual([undefined, 'opened'])
  })

  it('writes no outcome before all have ended, and each before it is answered', async () => {
    const workshop = await makeWorkshop()
    const events: string[] = []
    const append = async (entry: AuditEntry) => {
      events.push(entry.event)
      const head = await workshop.audit.append(entry)
      events.push(`${entry.event} written`)
      return head
    }
    const { hsm } = workshop.partition
    const watched = withVerbs(
      { ...workshop, audit: { append } },
      {
        wrapKey: async (...asked) => {
          const wrapped = await hsm.wrapKey(...asked)
          events.push('wrapped')
          return wrapped
        },
      },
    )
    const large = unsealed('x'.repeat(2000))
    await move(watched, [unsealed('one'), large, unsealed('two'), unsealed('three')])
    const [wrapped, outcome] = [events.lastIndexOf('wrapped'), events.indexOf('outcome')]
    expect(events.filter((event) => event === 'wrapped')).toHaveLength(3)
    expect(wrapped).toBeLessThan(outcome)
    expect(events.filter((event) => event === 'outcome written')).toHaveLength(3)
  })

  it('one that cannot be moved stops no other', async () => {
    const workshop = await makeWorkshop()
    const old = await sealedOne(workshop, 'two')
    const elsewhere = { ...old, context: newContext('other') }
    const large = unsealed('x'.repeat(2000))
    const [first, second, third] = await move(workshop, [elsewhere, unsealed('one'), large])
    expect(first).toMatchObject({ code: 'ERR_IRRETRIEVABLE' })
    expect(second).toMatchObject({ scope: 'service' })
    expect(third).toMatchObject({ code: 'ERR_TOO_LARGE' })
    const [foreign] = await move(workshop, [old], { ...caller, realm: parseRealm('other') })
    expect(foreign).toMatchObject({ code: 'ERR_IRRETRIEVABLE' })
  })

  it('above the rate of reseals the rest is refused for now', async () => {
    const workshop = await makeWorkshop()
    const old = await sealedOne(workshop, 'two')
    const resealRate = new RealmRate(1, { clock: { now: () => systemClock.now() } })
    const moved = await move({ ...workshop, resealRate }, [old, old, old])
    expect(moved.map((one) => (one as DomainError).code)).toEqual([
      undefined,
      'ERR_BUSY',
      'ERR_BUSY',
    ])
  })

  it('returns no new form that the HSM does not open again', async () => {
    const workshop = await makeWorkshop()
    const { hsm } = workshop.partition
    const broken = withVerbs(workshop, {
      wrapKey: async (id, key, binding, options) => {
        const wrapped = await hsm.wrapKey(id, key, binding, options)
        const bytes = Buffer.from(wrapped.bytes)
        bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
        return { ...wrapped, bytes }
      },
    })
    const [moved] = await move(broken, [unsealed('one')])
    expect((moved as DomainError).code).toMatch(/^ERR_HSM_/)
  })
})
