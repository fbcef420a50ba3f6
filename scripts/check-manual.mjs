#!/usr/bin/env node
/**
 * `npm run manual:check`: every line of the old product's two documents stands in a row of docs/operations/manual-coverage.json, and
 * every row that promises something names tests that exist and, where reports of a test run are there, ran and passed.
 *
 *   node scripts/check-manual.mjs [--documents DIR] [--write]
 *
 * The documents are not ours to distribute: where DIR (or KEYHSM_MANUAL_DIR) holds them as `<document>.txt` their lines are counted,
 * else the counts of the JSON hold. `--write` prints docs/operations/manual-coverage.md anew. Last line: `N rows, N proven, N
 * different on purpose`, and how many are still open.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { countLines, findGaps, findRowFaults, formatPage } from './lib/manual-coverage.mjs'
import { root } from './lib/sources.mjs'
import { openTestIndex } from './lib/test-index.mjs'

const folder = join(root, 'docs', 'operations')
const jsonFile = join(folder, 'manual-coverage.json')
const pageFile = join(folder, 'manual-coverage.md')
const args = process.argv.slice(2)
const documentsAt = args.indexOf('--documents')
const documents = documentsAt >= 0 ? args[documentsAt + 1] : process.env.KEYHSM_MANUAL_DIR

const coverage = JSON.parse(readFileSync(jsonFile, 'utf8'))
const faults = []
checkDocuments()
const index = openTestIndex(root)
for (const row of coverage.rows) faults.push(...findRowFaults(row, index))
checkPage()
for (const note of index.notes()) console.log(`manual: ${note}`)
for (const fault of faults) console.log(`manual: ${fault}`)
console.log(summary())
process.exitCode = faults.length > 0 ? 1 : 0

/** Whole files: neither a line in no row nor a row beyond the end. */
function checkDocuments() {
  for (const { name, lines } of coverage.documents) {
    const path = documents && join(documents, `${name}.txt`)
    const there = path && existsSync(path)
    const counted = there ? countLines(readFileSync(path, 'utf8')) : lines
    if (counted !== lines) faults.push(`${name} has ${counted} lines, the coverage is for ${lines}`)
    if (!there)
      console.log(
        `manual: ${name}: its ${lines} lines are those of the coverage (no document given)`,
      )
    faults.push(...findGaps(name, Math.max(counted, lines), coverage.rows))
  }
}

function checkPage() {
  const page = formatPage(coverage)
  if (args.includes('--write')) writeFileSync(pageFile, page)
  else if (!existsSync(pageFile) || readFileSync(pageFile, 'utf8') !== page)
    faults.push(
      'docs/operations/manual-coverage.md is not what the JSON says; run npm run manual:check -- --write',
    )
}

function summary() {
  const count = (verdict) => coverage.rows.filter((row) => row.verdict === verdict).length
  const parts = [
    `${coverage.rows.length} rows`,
    `${count('proven')} proven`,
    `${count('different')} different on purpose`,
  ]
  if (count('no-promise') > 0)
    console.log(`manual: ${count('no-promise')} rows promise nothing that a program could keep`)
  if (count('open') > 0) parts.push(`${count('open')} open`)
  return parts.join(', ')
}
