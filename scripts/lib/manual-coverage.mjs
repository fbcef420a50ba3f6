/** Rows of the coverage: what they must say, which lines no row has, and the page that people read. */

/** What a row can say, and whether it needs a test and a reason. */
export const verdicts = {
  proven: { words: 'proven', tests: true, reason: false },
  different: { words: 'different on purpose', tests: true, reason: true },
  'no-promise': { words: 'promises nothing', tests: false, reason: false },
  open: { words: 'open', tests: false, reason: true },
}

/** A last line without a line end counts. */
export function countLines(text) {
  return text === '' ? 0 : text.replace(/\n$/, '').split('\n').length
}

/** First and last line of `12-20` or `7`; undefined for anything else. */
export function parseRange(text) {
  const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? []
  if (from === undefined) return undefined
  const range = { from: Number(from), to: Number(to ?? from) }
  return range.from >= 1 && range.from <= range.to ? range : undefined
}

/** Lines of a document that stand in no row, and rows behind its end. */
export function findGaps(document, lines, rows) {
  const seen = new Set()
  const faults = []
  for (const row of rows.filter((candidate) => candidate.document === document)) {
    const range = parseRange(row.lines)
    if (!range) continue
    if (range.to > lines) faults.push(`${document}:${row.lines} goes beyond line ${lines}`)
    for (let line = range.from; line <= range.to; line += 1) seen.add(line)
  }
  const missing = Array.from({ length: lines }, (_, i) => i + 1).filter((line) => !seen.has(line))
  return [...faults, ...toRanges(missing).map((range) => `${document}:${range} stands in no row`)]
}

function toRanges(lines) {
  const ranges = []
  for (const line of lines) {
    const last = ranges.at(-1)
    if (last?.to === line - 1) last.to = line
    else ranges.push({ from: line, to: line })
  }
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`))
}

/** What is wrong with one row. */
export function findRowFaults(row, index) {
  const place = `${row.document}:${row.lines}`
  const known = verdicts[row.verdict]
  const tests = row.tests ?? []
  const rules = [
    [parseRange(row.lines) !== undefined, 'is no range of lines'],
    [Boolean(row.subject), 'has no subject'],
    [known !== undefined, `has the verdict ${row.verdict}`],
    [!known?.tests || tests.length > 0, 'names no test'],
    [!known?.reason || Boolean(row.reason), 'gives no reason'],
  ]
  const broken = rules.filter(([holds]) => !holds).map(([, what]) => `${place} ${what}`)
  return [
    ...broken,
    ...tests.flatMap((id) => index.faultsOf(id).map((fault) => `${place}: ${fault}`)),
  ]
}

/** docs/operations/manual-coverage.md. */
export function formatPage({ documents, rows }) {
  const parts = documents.map(({ name, title, lines }) => {
    const own = rows.filter((row) => row.document === name).map(formatRow)
    return `## ${title}\n\n\`${name}\`, ${lines} lines.\n\n| lines | subject | verdict | tests | why different |\n|---|---|---|---|---|\n${own.join('\n')}\n`
  })
  return `# What the manual promises, and the test that shows it

Generated from manual-coverage.json by \`npm run manual:check -- --write\`; do not edit. Subjects are in our own words; lines are those
of the documents. \`npm run manual:check\` fails on a line in no row and on a test that does not exist or did not run.

${parts.join('\n')}`
}

function formatRow({ lines, subject, verdict, tests = [], reason = '' }) {
  const cells = [
    lines,
    subject,
    verdicts[verdict]?.words ?? verdict,
    tests.map((id) => `\`${id}\``).join('<br>'),
    reason,
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}
