/** How thresholds of alerts are judged; real faults fire each in `npm run runbooks` and `npm run fail-over`. */
import { describe, expect, it } from 'vitest'

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
