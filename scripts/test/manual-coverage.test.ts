import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

interface Row {
  readonly document: string
  readonly lines: string
  readonly subject?: string
  readonly verdict?: string
  readonly tests?: readonly string[]
  readonly reason?: string
}
interface Index {
  faultsOf(id: string): string[]
  notes(): string[]
}
const { countLines, findGaps, findRowFaults, formatPage } = (await import(
  new URL('../lib/manual-coverage.mjs', import.meta.url).href
)) as {
  countLines(text: string): number
  findGaps(document: string, lines: number, rows: readonly Row[]): string[]
  findRowFaults(row: Row, index: Pick<Index, 'faultsOf'>): string[]
  formatPage(coverage: { documents: unknown[]; rows: readonly Row[] }): string
}
const { openTestIndex } = (await import(
  new URL('../lib/test-index.mjs', import.meta.url).href
)) as { openTestIndex(root: string): Index }

const row = (lines: string): Row => ({ document: 'd', lines })

function checkout(files: Record<string, unknown>): string {
  const root = mkdtempSync(join(tmpdir(), 'coverage-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return root
}

describe('the coverage of the manual', () => {
  it('counts a last line without its end', () => {
    expect(['', 'a', 'a\n', 'a\nb', '\n\n'].map(countLines)).toEqual([0, 1, 1, 2, 2])
  })

  it('names every line in no row and every row beyond the end', () => {
    const rows = [row('2-3'), row('3-5'), row('9'), { ...row('1-20'), document: 'other' }]
    expect(findGaps('d', 10, rows)).toEqual(
      ['d:1', 'd:6-8', 'd:10'].map((at) => `${at} stands in no row`),
    )
    expect(findGaps('d', 8, [row('1-9')])).toEqual(['d:1-9 goes beyond line 8'])
  })

  it('wants tests of what is promised and a reason for what is different', () => {
    const index = { faultsOf: (id: string) => (id === 'good' ? [] : [`${id} did not run`]) }
    const faults = (more: Partial<Row>) =>
      findRowFaults({ ...row('1'), subject: 's', ...more }, index)
    expect(faults({ verdict: 'proven', tests: ['good'] })).toEqual([])
    expect(faults({ verdict: 'proven', tests: ['bad'] })).toEqual(['d:1: bad did not run'])
    expect(faults({ verdict: 'proven' })).toEqual(['d:1 names no test'])
    expect(faults({ verdict: 'different', tests: ['good'] })).toEqual(['d:1 gives no reason'])
    expect(faults({ verdict: 'fine' })).toEqual(['d:1 has the verdict fine'])
    expect(faults({ verdict: 'no-promise', lines: '3-1' })).toEqual(['d:3-1 is no range of lines'])
  })

  it('prints a page', () => {
    const page = formatPage({
      documents: [{ name: 'd', title: 'D', lines: 1 }],
      rows: [{ ...row('1'), subject: 'a|b', verdict: 'different', tests: ['t'], reason: 'r' }],
    })
    expect(page).toContain('| 1 | a\\|b | different on purpose | `t` | r |')
  })
})

describe('ids of tests', () => {
  const sources = {
    'package.json': { scripts: { 'reload-loop': 'x' } },
    'apps/x/test/y.test.ts':
      "describe('the y', () => { it.each([1])('takes %i well', f); it(\"ends\", f) })",
    'interop/scripts/day.script': '$ true',
    'interop/faults/row-1.mjs': "const cases = [{ name: 'key deleted, then get' }]",
  }
  const ids = [
    'apps/x/test/y.test.ts > the y takes 3 well',
    'apps/x/test/y.test.ts > the y ends',
    'interop/scripts/day.script',
    'interop/faults-table.mjs > key deleted, then get',
    'npm run reload-loop -- 20',
  ]

  it('are looked up in the sources where there is no report, and that is said', () => {
    const index = openTestIndex(checkout(sources))
    for (const id of ids) expect(index.faultsOf(id)).toEqual([])
    expect(index.notes()).toHaveLength(4)
    for (const id of [
      'apps/x/test/y.test.ts > the y begins',
      'apps/x/test/z.test.ts > the y ends',
      'interop/scripts/night.script',
      'interop/faults-table.mjs > key kept',
      'npm run absent',
    ]) {
      expect(index.faultsOf(id)).toEqual([`${id} does not exist`])
    }
    expect(index.faultsOf('something')).toEqual(['something is not the id of a test'])
  })

  it('have to have run and passed where there is a report', () => {
    const results = (status: string) => [{ fullName: 'the y ends', status }]
    const reports = (status: string) => ({
      ...sources,
      'reports/vitest.json': {
        testResults: [
          { name: '/tmp/copy/checkout/apps/x/test/y.test.ts', assertionResults: results(status) },
        ],
      },
      'reports/scripts.json': { cases: [{ name: 'interop/scripts/day.script', status }] },
    })
    const faults = (status: string) => {
      const index = openTestIndex(checkout(reports(status)))
      return ids.flatMap((id) => index.faultsOf(id))
    }
    expect(faults('passed')).toEqual([`${ids[0]} did not run`])
    expect(faults('skipped')).toEqual([
      `${ids[0]} did not run`,
      `${ids[1]} skipped`,
      `${ids[2]} skipped`,
    ])
  })
})
