import { DomainError } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import type { MigrationDesk } from '../../src/migration/migration-desk.js'
import { ResealSchedule } from '../../src/migration/reseal-schedule.js'
import type { StartOrder } from '../../src/migration/start-migration.js'
import { addCaller, makeSurroundings, putRequest } from '../support/surroundings.js'

const day = 86400_000

/** A server with one deposit, and a schedule that looks when it is told to. */
async function withSchedule(olderThanMs: number) {
  const at = await makeSurroundings()
  await putDeposit(at.trustee, await addCaller(at), putRequest('one', 'x'))
  const started: StartOrder[] = []
  const warnings: string[] = []
  const desk: { order?: object; link: object; trustee: object } = {
    link: { current: () => ({ joined: {} }) },
    trustee: at.trustee,
  }
  const flags = { fails: undefined as DomainError | undefined }
  const schedule = new ResealSchedule({
    desk: desk as unknown as MigrationDesk,
    olderThanMs: () => olderThanMs,
    start: (order) => {
      if (flags.fails) return Promise.reject(flags.fails)
      started.push(order)
      return Promise.resolve()
    },
    log: {
      info: () => undefined,
      warn: (_fields: object, words: string) => void warnings.push(words),
    },
  })
  return { at, desk, schedule, started, warnings, flags }
}

describe('the schedule of reseals', () => {
  test('begins a rotation once something is old enough, and finishes it by itself', async () => {
    const { at, schedule, started } = await withSchedule(90 * day)
    expect(schedule.state()).toEqual({ olderThanDays: 90, lookedAt: undefined, due: 0 })
    await schedule.look()
    expect(schedule.state()).toMatchObject({ lookedAt: at.clock.now(), due: 0 })
    at.clock.advance(90 * day + 1)
    await schedule.look()
    expect(started).toMatchObject([
      { actor: 'service', wish: { reseal: true, olderThanDays: 90 }, finishesItself: true },
    ])
    expect(schedule.state()?.due).toBe(1)
  })

  test('leaves it to the next look while a migration is under way', async () => {
    const { at, desk, schedule, started, warnings, flags } = await withSchedule(day)
    at.clock.advance(2 * day)
    desk.order = {}
    await schedule.look()
    expect(started).toEqual([])
    expect(schedule.state()?.due).toBe(1)
    delete desk.order
    flags.fails = new DomainError('ERR_HSM_FULL', 'no room')
    await schedule.look()
    expect(warnings).toEqual(['the scheduled reseal could not begin'])
    // As where another server of the installation was faster.
    flags.fails = new DomainError('ERR_CONFLICT', 'a migration is under way')
    await schedule.look()
    expect(warnings).toHaveLength(1)
  })

  test('does nothing where nothing is scheduled, or the server is not joined', async () => {
    const never = await withSchedule(0)
    never.at.clock.advance(9999 * day)
    await never.schedule.look()
    expect(never.schedule.state()).toBeUndefined()
    const { at, desk, schedule, started } = await withSchedule(day)
    at.clock.advance(2 * day)
    desk.link = { current: () => undefined }
    await schedule.look()
    expect([...never.started, ...started]).toEqual([])
  })
})
