import type { Fingerprint } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { DirectionChanged, type Join, type Store } from '../../../src/store/store.js'

const join: Join = {
  url: 'https://127.0.0.1:9090',
  realm: 'realm-1',
  canary: 'c'.repeat(64) as Fingerprint,
  domain: 'domain-1',
  joinedAt: new Date('2026-01-01T12:00:00Z'),
}
const row = { directed: 1_700_000_000_001, direction: '{"a":1}', mac: 'm'.repeat(64) }

/** What {@link Store} says of where new deposits go. */
export function describeDirections(current: () => Store): void {
  describe('directions', () => {
    const write: Store['withTransaction'] = (work) => current().withTransaction(work)
    const requires = (directed: number | undefined) =>
      write((transaction) => transaction.requireDirection(directed))

    it('bind nobody before the first, and everybody afterwards', async () => {
      await expect(write((t) => t.saveDirection(row))).rejects.toMatchObject({
        code: 'ERR_NOT_FOUND',
      })
      await write((t) => t.saveJoin(join))
      await requires(undefined)
      await requires(1)
      await write((t) => t.saveDirection(row))
      expect(await current().findDirection()).toEqual(row)
      // Another join of the same installation leaves it as it is.
      await write((t) => t.saveJoin({ ...join, url: 'https://127.0.0.1:9091' }))
      await requires(row.directed)
      await expect(requires(undefined)).rejects.toBeInstanceOf(DirectionChanged)
      await expect(requires(row.directed + 1)).rejects.toBeInstanceOf(DirectionChanged)
    })

    it('wait for the transactions that required the one before', async () => {
      const next = { ...row, directed: row.directed + 1 }
      const order: string[] = []
      let change: Promise<unknown> = Promise.resolve()
      await write(async (transaction) => {
        await transaction.requireDirection(row.directed)
        await transaction.findJoin()
        change = write((t) => t.saveDirection(next)).then(() => order.push('changed'))
        await new Promise((resolve) => setTimeout(resolve, 50))
        order.push('put')
      })
      await change
      expect(order).toEqual(['put', 'changed'])
      await expect(requires(row.directed)).rejects.toBeInstanceOf(DirectionChanged)
      await write((t) => t.deleteJoin())
      expect(await current().findDirection()).toBeUndefined()
      await requires(row.directed)
    })
  })
}

/** Of a schema that cannot say it yet. */
export function describeNoDirections(current: () => Store): void {
  describe('directions', () => {
    it('bind nobody, and cannot be given before the schema is up to date', async () => {
      const write: Store['withTransaction'] = (work) => current().withTransaction(work)
      await write((t) => t.saveJoin(join))
      await write((t) => t.requireDirection(1))
      expect(await current().findDirection()).toBeUndefined()
      await expect(write((t) => t.saveDirection(row))).rejects.toMatchObject({
        code: 'ERR_CONFLICT',
        message: expect.stringContaining('schema') as string,
      })
      await write((t) => t.deleteJoin())
    })
  })
}
