#!/usr/bin/env node
/**
 * `npm run faults:table`: bad input and faults against the whole product with real parts, one line a case:
 *
 *   row | case | expected | seen | ok
 *
 *   node interop/faults-table.mjs [--only ROW[,ROW…]] [--report FILE]
 *
 * Then one line a row, and `N passed, N failed, N skipped` (cases). Exit 1 on a failure, and when nothing passed.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { runMain, say, Stop } from '../scripts/lib/say.mjs'
import { root } from '../scripts/lib/sources.mjs'
import { runCase } from './faults/lib/case.mjs'
import { Stacks } from './faults/lib/stacks.mjs'

await runMain(async () => {
  const options = parseOptions(process.argv.slice(2))
  const groups = await readGroups(options.only)
  const stacks = new Stacks()
  const results = []
  try {
    for (const group of groups) results.push(...(await runGroup(group, { stacks, ...options })))
  } finally {
    await stacks.removeAll()
  }
  results.push(print(judgeSecrets(stacks)))
  return conclude(results, options)
})

/** What every stack was searched for when it was removed. */
function judgeSecrets({ leaks }) {
  const expected = 'in no log, error, database, audit, settings'
  const seen = leaks.length === 0 ? expected : leaks.join('; ')
  const verdict = leaks.length === 0 ? 'ok' : 'FAILED'
  return { row: 'secrets', name: 'PINs, auth secrets, marked contents', expected, seen, verdict }
}

function parseOptions(args) {
  const found = { only: undefined, report: undefined }
  for (let i = 0; i < args.length; i += 2) {
    const name = args[i].replace(/^--/, '')
    if (!Object.hasOwn(found, name) || args[i + 1] === undefined) {
      throw new Stop('usage: npm run faults:table -- [--only ROW[,ROW…]] [--report FILE]', 2)
    }
    found[name] = args[i + 1]
  }
  return { report: found.report, only: found.only?.split(',').map(Number) }
}

/** The files of `faults/` in the order of their names, which is the order of the rows. */
async function readGroups(only) {
  const folder = new URL('faults/', import.meta.url)
  const files = readdirSync(folder)
    .filter((name) => /^row-.*\.mjs$/.test(name))
    .sort()
  const groups = []
  for (const file of files) {
    const { group } = await import(new URL(file, folder))
    const cases = group.cases.filter(({ row }) => !only || only.includes(row))
    if (cases.length > 0) groups.push({ ...group, file, cases })
  }
  if (groups.length === 0) throw new Stop('faults: there is no such row', 2)
  return groups
}

/** The cases of one file, one after the other, with one stack; its `prepare` runs first, its `restore` last. */
async function runGroup(group, { stacks }) {
  const results = []
  let context
  try {
    const stack = await stacks.take(group.stack)
    context = { stack, ...(await group.prepare?.(stack)) }
  } catch (error) {
    say(error.stack ?? String(error))
    const seen = 'could not be prepared'
    return group.cases.map((each) => print({ ...each, seen, verdict: 'FAILED' }))
  }
  try {
    for (const each of group.cases) results.push(print(await runCase(each, context)))
  } finally {
    await group.restore?.(context)
    await stacks.giveBack(group.stack, context.stack)
  }
  return results
}

function print(result) {
  const { row, name, expected, seen, verdict, ms } = result
  console.log([row, name, expected, seen, verdict].join(' | '))
  if (verdict === 'FAILED' && result.error?.stack) say(result.error.stack)
  if (ms > 5000) say(`  (${(ms / 1000).toFixed(1)} s)`)
  return result
}

function conclude(results, { report }) {
  console.log('')
  for (const row of new Set(results.map((result) => result.row))) {
    const verdicts = results.filter((result) => result.row === row).map(({ verdict }) => verdict)
    const ok = verdicts.filter((verdict) => verdict === 'ok').length
    console.log(
      `row ${row}: ${verdicts.includes('FAILED') ? 'FAILED' : 'ok'} (${ok} of ${verdicts.length} cases)`,
    )
  }
  const count = (verdict) => results.filter((result) => result.verdict === verdict).length
  const counts = { passed: count('ok'), failed: count('FAILED'), skipped: count('skipped') }
  if (report) {
    const status = { ok: 'passed', FAILED: 'failed', skipped: 'skipped' }
    const cases = results.map(({ name, expected, seen, verdict, error }) => ({
      name: `interop/faults-table.mjs > ${name}`,
      status: status[verdict],
      ...(verdict === 'FAILED' ? { why: error?.stack ?? `${seen}, expected ${expected}` } : {}),
    }))
    writeFileSync(resolve(root, report), JSON.stringify({ ...counts, cases }))
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1
}
