import { DomainError, newUuid } from '@keyhsm/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Client,
  CommitUnknown,
  type Deposit,
  type DepositLimits,
  type PendingPut,
  type Store,
} from '../../../src/store/store.js'
import {
  depositRow,
  enrol,
  minutesAfter,
  noon,
  pendingPutRow,
  putDeposit,
  revisionRow,
} from '../../support/rows.js'

export function describeQuotas(current: () => Store): void {
  describeDepositUsage(current)
  describeHsmKeyUsage(current)
  describeReservations(current)
  describeBacklog(current)
}

function describeBacklog(current: () => Store): void {
  it('says what waits for somebody, and which organisations are full', async () => {
    const look = { now: noon, fullFrom: 2, limit: 1 }
    const before = await current().readBacklog({ ...look, limit: 1000 })
    const { organisation, client } = await enrol(current())
    await putDeposit(current(), client)
    await putDeposit(current(), client)
    await putDeposit(current(), client)
    const [fullest] = (
      await current().readBacklog({ ...look, fullFrom: 3, limit: 1000 })
    ).fullest.filter(({ name }) => name === organisation.name)
    expect(fullest).toEqual({ name: organisation.name, deposits: 3 })
    const after = await current().readBacklog({ ...look, limit: 1000 })
    expect(after.fullest.length).toBe(before.fullest.length + 1)
    expect((await current().readBacklog(look)).fullest.length).toBe(1)
    await current().withTransaction(async (transaction) => {
      await transaction.updateClient({ ...client, state: 'waiting' })
    })
    const { waitingClients } = await current().readBacklog(look)
    expect(waitingClients).toBe(before.waitingClients + 1)
  })
}

async function deposits(store: Store, of: Parameters<Store['readUsage']>[0]): Promise<number> {
  return (await store.readUsage(of, noon)).deposits
}

function describeDepositUsage(current: () => Store): void {
  describe('deposits in use', () => {
    it('is nothing for a new client and an unknown one', async () => {
      const { organisation, client } = await enrol(current())
      const nothing = { deposits: 0, hsmKeys: 0 }
      for (const of of [
        { client: client.uuid },
        { organisation: organisation.uuid },
        { client: newUuid() },
      ])
        expect(await current().readUsage(of, noon)).toEqual(nothing)
    })

    it('counts active deposits and pending first puts, of client and organisation', async () => {
      const { organisation, client } = await enrol(current())
      const other = (await enrol(current(), organisation)).client
      await putDeposit(current(), client)
      await putDeposit(current(), client, { state: 'disabled' })
      await putDeposit(current(), other)
      await current().withTransaction(async (transaction) => {
        await transaction.insertPendingPut(pendingPutRow(client))
        await transaction.insertPendingPut(pendingPutRow(client, { revision: 2 }))
      })
      expect(await deposits(current(), { client: client.uuid })).toBe(2)
      expect(await deposits(current(), { client: other.uuid })).toBe(1)
      expect(await deposits(current(), { organisation: organisation.uuid })).toBe(3)
    })

    it('shows a transaction its own changes', async () => {
      const { client } = await enrol(current())
      await current().withTransaction(async (transaction) => {
        await transaction.insertPendingPut(pendingPutRow(client))
        const usage = await transaction.readUsage({ client: client.uuid }, noon)
        expect(usage.deposits).toBe(1)
      })
      expect(await deposits(current(), { client: client.uuid })).toBe(1)
    })

    it('is what the rows say after any history of puts, removals and undone ones', async () => {
      const step = fc.constantFrom('reserve', 'store', 'abandon', 'disable', 'enable', 'rollback')
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          const { organisation, client } = await enrol(current())
          const history = new PutHistory(current(), client)
          for (const name of steps) await history[name]()
          const expected = history.expectedDeposits()
          expect(await deposits(current(), { client: client.uuid })).toBe(expected)
          expect(await deposits(current(), { organisation: organisation.uuid })).toBe(expected)
        }),
        { numRuns: 12 },
      )
    })
  })
}

/** Plays puts as the operations do, and knows what must be counted. */
class PutHistory {
  private readonly pending: PendingPut[] = []
  private deposits: Deposit[] = []
  private readonly current: Store
  private readonly client: Client

  constructor(current: Store, client: Client) {
    this.current = current
    this.client = client
  }

  expectedDeposits(): number {
    return this.pending.length + this.deposits.filter(({ state }) => state === 'active').length
  }

  async reserve(): Promise<void> {
    const row = pendingPutRow(this.client)
    await this.current.withTransaction((transaction) => transaction.insertPendingPut(row))
    this.pending.push(row)
  }

  async store(): Promise<void> {
    const row = this.pending.pop()
    if (!row) return
    const deposit = depositRow(this.client, { uuid: row.deposit, handle: row.handle })
    await this.current.withTransaction(async (transaction) => {
      await transaction.insertDeposit(deposit, revisionRow(deposit))
      await transaction.deletePendingPut(row.requestId, row.client, row.handle)
    })
    this.deposits.push(deposit)
  }

  async abandon(): Promise<void> {
    const row = this.pending.pop()
    if (!row) return
    await this.current.withTransaction((transaction) =>
      transaction.deletePendingPut(row.requestId, row.client, row.handle),
    )
  }

  async rollback(): Promise<void> {
    const refused = this.current.withTransaction(async (transaction) => {
      await transaction.insertPendingPut(pendingPutRow(this.client))
      throw new DomainError('ERR_QUOTA', 'no more')
    })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_QUOTA' })
  }

  disable(): Promise<void> {
    return this.setStates('disabled')
  }

  enable(): Promise<void> {
    return this.setStates('active')
  }

  private async setStates(state: Deposit['state']): Promise<void> {
    const changed = this.deposits.map((deposit) => ({ ...deposit, state }))
    await this.current.withTransaction(async (transaction) => {
      for (const deposit of changed) await transaction.updateDeposit(deposit)
    })
    this.deposits = changed
  }
}

function describeHsmKeyUsage(current: () => Store): void {
  describe('HSM keys made', () => {
    const record = (client: Client, count: number, at: Date) =>
      current().withTransaction((transaction) =>
        transaction.recordHsmKeys(
          { client: client.uuid, organisation: client.organisation },
          count,
          at,
        ),
      )
    const keys = async (of: Parameters<Store['readUsage']>[0], since: Date) =>
      (await current().readUsage(of, since)).hsmKeys

    it('counts those within the window, of client and organisation', async () => {
      const { organisation, client } = await enrol(current())
      const other = (await enrol(current(), organisation)).client
      await record(client, 1, minutesAfter(noon, 0))
      await record(client, 2, minutesAfter(noon, 30))
      await record(client, 4, minutesAfter(noon, 30))
      await record(other, 8, minutesAfter(noon, 59))
      expect(await keys({ client: client.uuid }, noon)).toBe(7)
      expect(await keys({ client: client.uuid }, minutesAfter(noon, 1))).toBe(6)
      expect(await keys({ client: client.uuid }, minutesAfter(noon, 31))).toBe(0)
      expect(await keys({ organisation: organisation.uuid }, noon)).toBe(15)
      expect(await keys({ organisation: organisation.uuid }, minutesAfter(noon, 31))).toBe(8)
    })

    it('counts by minute: never fewer than were made in the window', async () => {
      const { client } = await enrol(current())
      await record(client, 1, new Date('2026-03-04T12:00:10.000Z'))
      const since = (instant: string) => keys({ client: client.uuid }, new Date(instant))
      expect(await since('2026-03-04T12:00:59.999Z')).toBe(1)
      expect(await since('2026-03-04T12:01:00.000Z')).toBe(0)
    })

    it('shows a transaction its own', async () => {
      const { organisation, client } = await enrol(current())
      await current().withTransaction(async (transaction) => {
        const of = { client: client.uuid, organisation: organisation.uuid }
        await transaction.recordHsmKeys(of, 3, noon)
        expect((await transaction.readUsage({ client: client.uuid }, noon)).hsmKeys).toBe(3)
      })
    })

    it('forgets minutes that no window reaches', async () => {
      const { client } = await enrol(current())
      const old = new Date('2002-01-01T00:00:00Z')
      await record(client, 1, old)
      await record(client, 1, minutesAfter(old, 5))
      await current().withTransaction((transaction) =>
        transaction.deleteHsmKeyCountsBefore(minutesAfter(old, 5)),
      )
      expect(await keys({ client: client.uuid }, old)).toBe(1)
    })
  })
}

function describeReservations(current: () => Store): void {
  describe('limitDeposits', () => {
    const putWithin = (client: Client, limits: DepositLimits, puts = 1) =>
      current().withTransaction(async (transaction) => {
        const of = { client: client.uuid, organisation: client.organisation }
        await transaction.limitDeposits(of, limits)
        for (let put = 0; put < puts; put += 1) {
          const deposit = depositRow(client)
          await transaction.insertDeposit(deposit, revisionRow(deposit))
        }
      })
    const many = 1_000_000

    it('holds when many put at once, and nothing is locked', async () => {
      const { client } = await enrol(current())
      const put = () => putWithin(client, { client: 3, organisation: many })
      const outcomes = await Promise.allSettled(Array.from({ length: 12 }, put))
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') {
          expect(outcome.reason).toMatchObject({ code: 'ERR_QUOTA' })
          expect(outcome.reason).not.toBeInstanceOf(CommitUnknown)
        }
      expect(await deposits(current(), { client: client.uuid })).toBe(3)
      const listed = await current().listDeposits({ owner: client.uuid, limit: 9 })
      expect(listed.deposits).toHaveLength(3)
    })

    it('counts the organisation over its clients', async () => {
      const { organisation, client } = await enrol(current())
      const other = (await enrol(current(), organisation)).client
      await putWithin(client, { client: many, organisation: 2 })
      await putWithin(other, { client: many, organisation: 2 })
      const third = putWithin(other, { client: many, organisation: 2 })
      await expect(third).rejects.toMatchObject({ code: 'ERR_QUOTA' })
      expect(await deposits(current(), { organisation: organisation.uuid })).toBe(2)
    })

    it('refuses the very first when they are too many, and keeps none', async () => {
      const { client } = await enrol(current())
      const put = putWithin(client, { client: 1, organisation: many }, 2)
      await expect(put).rejects.toMatchObject({ code: 'ERR_QUOTA' })
      expect(await deposits(current(), { client: client.uuid })).toBe(0)
    })

    it('lets go of deposits where the limit is lower than what there is', async () => {
      const { client } = await enrol(current())
      await putDeposit(current(), client)
      const { deposit } = await putDeposit(current(), client)
      await current().withTransaction(async (transaction) => {
        const of = { client: client.uuid, organisation: client.organisation }
        await transaction.limitDeposits(of, { client: 0, organisation: 0 })
        await transaction.updateDeposit({ ...deposit, state: 'disabled' })
      })
      expect(await deposits(current(), { client: client.uuid })).toBe(1)
    })
  })

  describe('lockOrganisation', () => {
    it('makes a quota hold when many reserve at once', async () => {
      const { organisation, client } = await enrol(current())
      const limit = 3
      const reserve = () =>
        current().withTransaction(async (transaction) => {
          await transaction.lockOrganisation(organisation.uuid)
          const usage = await transaction.readUsage({ organisation: organisation.uuid }, noon)
          if (usage.deposits >= limit) throw new DomainError('ERR_QUOTA', 'no more')
          await transaction.insertPendingPut(pendingPutRow(client))
        })
      const outcomes = await Promise.allSettled(Array.from({ length: 12 }, reserve))
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(limit)
      expect(await deposits(current(), { organisation: organisation.uuid })).toBe(limit)
    })

    it('refuses an unknown organisation', async () => {
      const lock = current().withTransaction((transaction) =>
        transaction.lockOrganisation(newUuid()),
      )
      await expect(lock).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    })
  })
}
