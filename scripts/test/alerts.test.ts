/** The alerts whose faults take minutes, fired where their numbers are made; and how thresholds are judged. */
import { type Audit, meterAudit, type Metrics, openMetrics } from '@keyhsm/service'
import { newUuid } from '@keyhsm/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  openMonitoring,
  type MonitoredServer,
} from '../../apps/keytrustee/src/monitoring/open-monitoring.js'

interface Alert {
  readonly name: string
  readonly metric: string
  readonly fired: string
  readonly compare: string
  readonly threshold: number
}
type Scrapes = Readonly<Record<string, readonly object[] | undefined>>
interface Judging {
  readonly before?: Scrapes
  readonly now?: number
}
const { alerts, alertFaults, expressionOf, isCrossed, parseScrape } = (await import(
  new URL('../lib/alerts.mjs', import.meta.url).href
)) as {
  alerts: readonly Alert[]
  alertFaults(metrics: ReadonlySet<string>, hasCommand: () => boolean): readonly string[]
  expressionOf(alert: object): string
  isCrossed(alert: object, scrapes: Scrapes, o?: Judging): boolean
  parseScrape(text: string): readonly object[]
}

const alertNamed = (name: string) => alerts.find((alert) => alert.name === name) as Alert
const tested: string[] = []

async function isFired(name: string, metrics: Metrics): Promise<boolean> {
  tested.push(name)
  return isCrossed(alertNamed(name), { service: parseScrape(await metrics.text()) })
}

async function openTestMetrics(prefix: string): Promise<Metrics> {
  const metrics = await openMetrics(prefix)
  onTestFinished(() => metrics.close())
  return metrics
}

describe('alerts whose faults take minutes', () => {
  it.each([
    ['KeyHsmAuditUnsigned', 'keyhsm'],
    ['KeytrusteeAuditUnsigned', 'keytrustee'],
    ['KeytrusteeKmsAuditUnsigned', 'keytrustee_kms'],
  ])('%s: entries pile up after the last checkpoint', async (name, prefix) => {
    const metrics = await openTestMetrics(prefix)
    let unsigned = 16_384
    const state = () => ({ healthy: true, detail: '', unsigned })
    meterAudit({ head: () => ({ sequence: 1, hash: '' }), state } as unknown as Audit, metrics)
    expect(await isFired(name, metrics)).toBe(false)
    unsigned = 40_000
    expect(await isFired(name, metrics)).toBe(true)
  })

  it('KeytrusteeNodeGone, KeytrusteeMigrationWaits: a server that wrote long ago, a migration with a note', async () => {
    const metrics = await openTestMetrics('keytrustee')
    let [ageMs, note]: [number, string | undefined] = [2_000, undefined]
    const node = { node: newUuid(), url: 'https://ts2', ageMs }
    const served = {
      metrics,
      log: { state: () => ({ healthy: true }) },
      live: () => ({ settings: { monitoringAddress: '127.0.0.1', monitoringPort: 0 } }),
      care: { certificates: () => [], folders: () => [] },
      readParts: () => Promise.resolve({}),
      inFlight: () => 0,
      store: {
        installation: () => ({ mode: 'writer', hosts: [], nodes: [{ ...node, ageMs }] }),
      },
      migration: {
        get progress() {
          return { total: 2, moved: 1, overtaken: 0, note }
        },
        order: { state: 'running' },
      },
      schedule: { state: () => undefined },
    } as unknown as MonitoredServer
    expect(await openMonitoring(served)).toBeUndefined()
    expect(await isFired('KeytrusteeNodeGone', metrics)).toBe(false)
    expect(await isFired('KeytrusteeMigrationWaits', metrics)).toBe(false)
    ;[ageMs, note] = [61_000, 'the HSM cannot be asked now']
    expect(await isFired('KeytrusteeNodeGone', metrics)).toBe(true)
    expect(await isFired('KeytrusteeMigrationWaits', metrics)).toBe(true)
  })

  it('are those that the table says are fired so', () => {
    const said = alerts.filter(({ fired }) => fired === 'unit').map(({ name }) => name)
    expect([...new Set(tested)].sort()).toEqual(said.sort())
  })
})

describe('judging', () => {
  const row = { metric: 'm', compare: '>=', threshold: 0.8 }
  const judge = (more: object, text: string, o?: Judging) =>
    isCrossed({ ...row, ...more }, { job: parseScrape(text) }, o)

  it.each([
    { crossed: 'm 0.8', calm: 'm 0.79', expression: 'm >= 0.8' },
    {
      more: { labels: { a: 'x' } },
      crossed: 'm{a="x",b="y"} 1',
      calm: 'm{a="z"} 1',
      expression: 'm{a="x"} >= 0.8',
    },
    {
      more: { labels: { s: '5..' } },
      crossed: 'm{s="503"} 1',
      calm: 'm{s="404"} 1',
      expression: 'm{s=~"5.."} >= 0.8',
    },
    {
      more: { per: 'n' },
      crossed: 'm{b="1"} 8\nn{b="1"} 10\nn{b="2"} 100',
      calm: 'm{b="1"} 8\nn{b="2"} 8\nn{b="1"} 100',
      expression: 'm / n >= 0.8',
    },
    { crossed: 'm 1', calm: 'other 1', expression: 'm >= 0.8' },
  ])('$expression', ({ more = {}, crossed, calm, expression }) => {
    expect([judge(more, crossed), judge(more, calm)]).toEqual([true, false])
    expect(expressionOf({ ...row, ...more })).toBe(expression)
  })

  it('the time until, what rose since, and a job that does not answer', () => {
    const until = { until: true, compare: '<', threshold: 100 }
    expect(judge(until, 'm 1050', { now: 1000 })).toBe(true)
    expect(judge(until, 'm 1150', { now: 1000 })).toBe(false)
    expect(expressionOf({ ...row, ...until })).toBe('m - time() < 100')
    const rise = { increase: '5m', compare: '>', threshold: 2 }
    const before = { job: parseScrape('m{r="a"} 1\nm{r="b"} 1') }
    expect(judge(rise, 'm{r="a"} 3\nm{r="b"} 2', { before })).toBe(true)
    expect(judge(rise, 'm{r="a"} 3\nm{r="b"} 1', { before })).toBe(false)
    const up = { metric: 'up', labels: { job: 'job' }, compare: '==', threshold: 0 }
    expect(isCrossed(up, { job: undefined })).toBe(true)
    expect(isCrossed(up, { job: [] })).toBe(false)
    expect(() => parseScrape('no sample')).toThrow('not a sample: no sample')
  })

  it('the table names only series that exist and commands that exist', () => {
    const all = new Set(alerts.map(({ metric }) => metric).concat('keyhsm_hsm_key_limit'))
    expect(alertFaults(all, () => true)).toEqual([])
    all.delete('keyhsm_audit_healthy')
    expect(alertFaults(all, () => false)).toContain(
      'docs/operations/alerts.json: KeyHsmAuditStopped names keyhsm_audit_healthy, which no service shows',
    )
  })
})
