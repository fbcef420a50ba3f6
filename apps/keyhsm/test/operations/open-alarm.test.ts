import { parseRealm } from '@keyhsm/core'
import { openMetrics } from '@keyhsm/service'
import { describe, expect, it, onTestFinished } from 'vitest'
import { hsmMeters } from '../../src/monitoring/hsm-meters.js'
import { OpenAlarm, type OpenAlarmEvent } from '../../src/operations/open-alarm.js'
import { RealmRate } from '../../src/operations/realm-rate.js'
import { ringBells } from '../../src/service/open-alarms.js'
import { makeWorkshop } from '../workshop.js'

const [prod, test] = [parseRealm('prod'), parseRealm('test')]

function start(perSecond: number) {
  let now = 1_800_000_000_000
  const clock = { now: () => new Date(now) }
  const told: OpenAlarmEvent[] = []
  const alarm = new OpenAlarm(perSecond, clock, (event) => void told.push(event))
  return { alarm, clock, told, pass: (ms: number) => (now += ms) }
}

describe('the alarm on opens', () => {
  it('is raised once at the ceiling, for the realm that reached it, and ends after a calm minute', () => {
    const { alarm, clock, told, pass } = start(0)
    const rate = new RealmRate(2, { clock, alarm })
    const ask = (count: number) => {
      for (let at = 0; at < count; at += 1) {
        try {
          rate.admit(prod)
        } catch {
          // That is what is counted.
        }
      }
    }
    rate.admit(test)
    ask(2)
    expect(told).toEqual([])
    ask(5)
    expect(told).toEqual([{ realm: prod, event: 'raised', why: 'ceiling', refused: 0 }])
    expect(alarm.raised()).toEqual([prod])
    pass(59_000)
    alarm.look()
    ask(3)
    pass(59_000)
    alarm.look()
    expect(alarm.raised()).toEqual([prod])
    pass(1000)
    alarm.look()
    expect(told.slice(1)).toEqual([{ realm: prod, event: 'ended', why: 'ceiling', refused: 6 }])
    expect(alarm.raised()).toEqual([])
  })

  it('is raised at the threshold without refusing anything', () => {
    const { alarm, clock, told, pass } = start(3)
    const rate = new RealmRate(0, { clock, alarm })
    for (let second = 0; second < 5; second += 1) {
      rate.admit(prod)
      rate.admit(prod)
      pass(1000)
    }
    expect(told).toEqual([])
    for (let at = 0; at < 3; at += 1) rate.admit(prod)
    expect(told).toEqual([{ realm: prod, event: 'raised', why: 'threshold', refused: 0 }])
  })

  it('takes another threshold, and none, at once', () => {
    const { alarm, told } = start(0)
    for (let at = 0; at < 100; at += 1) alarm.noteOpen(prod)
    alarm.change(2)
    alarm.noteOpen(prod)
    expect(told).toEqual([])
    alarm.noteOpen(prod)
    expect(told).toHaveLength(1)
  })

  it('goes to log, audit and metrics, and hurts nobody when the audit cannot be written', async () => {
    const workshop = await makeWorkshop()
    const metrics = await openMetrics('k')
    onTestFinished(() => metrics.close())
    const meters = metrics.meters(hsmMeters)
    const { log, warnings, audit } = workshop
    const event = { realm: prod, event: 'raised', why: 'ceiling', refused: 0 } as const
    ringBells({ audit, meters, log }, event)
    ringBells({ audit, meters, log }, { ...event, event: 'ended', refused: 7 })
    await audit.append({ event: 'note', operation: 'x', requestId: prod as never, actor: 'test' })
    expect((await workshop.entries()).slice(0, 2)).toEqual(['note open-alarm', 'note open-alarm'])
    expect(await metrics.text()).toContain('k_open_alarms_total{realm="prod",why="ceiling"} 1')
    expect(warnings).toEqual([
      'a realm opens unusually many deposits',
      'a realm opens as many deposits as usual again',
    ])
    const failing = { append: () => Promise.reject(new Error('full')) }
    ringBells({ audit: failing, meters, log }, event)
    await new Promise(setImmediate)
    expect(warnings.at(-1)).toBe('an alarm is not in the audit')
  })
})
