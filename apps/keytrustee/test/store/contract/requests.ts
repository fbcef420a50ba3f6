import { newUuid, type Uuid } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import type { RetrievalRequest, Store, Verdict } from '../../../src/store/store.js'
import { enrol, fingerprintOf, minutesAfter, noon, putDeposit } from '../../support/rows.js'

export function describeRequests(current: () => Store): void {
  async function newRequest(some: Partial<RetrievalRequest> = {}): Promise<RetrievalRequest> {
    const { client } = await enrol(current())
    const { deposit } = await putDeposit(current(), client)
    return {
      uuid: newUuid(),
      deposit: deposit.uuid,
      revision: 1,
      organisation: client.organisation,
      client: client.uuid,
      clientKey: 'key',
      clientSignature: undefined,
      state: 'open',
      createdAt: noon,
      expiresAt: minutesAfter(noon, 60),
      grant: fingerprintOf('request'),
      ...some,
    }
  }
  const save = (row: RetrievalRequest) =>
    current().withTransaction((t) => t.saveRetrievalRequest(row))
  const list = (organisation: Uuid, after: Date) =>
    current().listRetrievalRequests({ organisation, after, limit: 10 })

  describe('requests for retrievals', () => {
    it('are kept, changed in signature and state only, and listed until they expire', async () => {
      const row = await newRequest()
      await save(row)
      expect(await current().findRetrievalRequest(row.uuid)).toEqual(row)
      const used = { ...row, clientSignature: 'signature', state: 'used' } as const
      await save(used)
      expect(await current().findRetrievalRequest(row.uuid)).toEqual(used)
      expect(await list(row.organisation, noon)).toEqual([used])
      expect(await list(row.organisation, row.expiresAt)).toEqual([])
      expect(await list(newUuid(), noon)).toEqual([])
    })

    it('are listed page by page, the first to expire first', async () => {
      const first = await newRequest()
      const { organisation } = first
      const minutes = [61, 62, 62, 63].map((minute) => minutesAfter(noon, minute))
      const rows = [
        first,
        ...minutes.map((expiresAt) => ({ ...first, uuid: newUuid(), expiresAt })),
      ]
      for (const row of [...rows].reverse()) await save(row)
      const seen: RetrievalRequest[] = []
      const page = (behind?: Uuid) =>
        current().listRetrievalRequests({
          organisation,
          after: noon,
          limit: 2,
          ...(behind === undefined ? {} : { behind }),
        })
      for (let next = await page(); next.length > 0; next = await page(seen.at(-1)?.uuid))
        seen.push(...next)
      expect(seen.map(({ expiresAt }) => expiresAt)).toEqual([first.expiresAt, ...minutes])
      expect(new Set(seen.map(({ uuid }) => uuid)).size).toBe(5)
      expect(await page(newUuid())).toEqual([])
    })

    it('are taken by one of many at once', async () => {
      const row = await newRequest()
      await save(row)
      const take = () =>
        current().withTransaction(async (t) => {
          const found = await t.lockRetrievalRequest(row.uuid)
          if (found?.state !== 'open') return 0
          await t.saveRetrievalRequest({ ...found, state: 'used' })
          return 1
        })
      const taken = await Promise.all(Array.from({ length: 8 }, take))
      expect(taken.filter((won) => won === 1)).toHaveLength(1)
    })

    it('have one verdict of each trustee, and go with them when they are old', async () => {
      const old = new Date('2001-01-01T00:00:00Z')
      const row = await newRequest({ expiresAt: old })
      await save(row)
      const verdict: Verdict = {
        request: row.uuid,
        trustee: newUuid(),
        verdict: 'approve',
        signature: 'signature',
        decidedAt: noon,
      }
      const give = (some: Partial<Verdict>) =>
        current().withTransaction((t) => t.saveVerdict({ ...verdict, ...some }))
      await give({})
      const other = { trustee: newUuid(), decidedAt: minutesAfter(noon, 1) }
      await give(other)
      const denied = { verdict: 'deny', signature: undefined } as const
      await give(denied)
      expect(await current().listVerdicts(row.uuid)).toEqual([
        { ...verdict, ...denied },
        { ...verdict, ...other },
      ])
      await current().withTransaction((t) => t.deleteVerdict(row.uuid, verdict.trustee))
      expect(await current().listVerdicts(row.uuid)).toHaveLength(1)
      const removed = await current().withTransaction((t) =>
        t.deleteRetrievalRequestsBefore(minutesAfter(old, 1)),
      )
      expect(removed).toBe(1)
      expect(await current().findRetrievalRequest(row.uuid)).toBeUndefined()
      expect(await current().listVerdicts(row.uuid)).toEqual([])
      await expect(give({})).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    })
  })
}
