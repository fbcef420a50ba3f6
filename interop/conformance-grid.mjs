#!/usr/bin/env node
/**
 * `npm run conformance`: runs the HSM contract on every module that is here and prints the grid module × scope × kind.
 * A cell says how many rules held; `any` stands for rules that do not depend on it. No cell is empty: a skipped one
 * names its reason below.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runMain, Stop } from '../scripts/lib/say.mjs'
import { root } from '../scripts/lib/sources.mjs'

const scopes = ['deposit', 'organisation', 'service', 'any']
const kinds = ['ec-p256', 'rsa-2048', 'rsa-3072', 'aes-256', 'any']
/** Modules that must be in the report: a suite that did not run is not a pass. */
const modules = ['soft-token', 'softhsm', 'nss', 'opencryptoki', 'keysecure', 'keysecure-terse']

await runMain(() => {
  const { cases, behaviours } = runSuites()
  const grid = fill(cases)
  print(grid)
  printBehaviours(behaviours)
  const all = [...cases, ...behaviours]
  const failed = all.filter((each) => each.status === 'failed')
  for (const each of failed) console.log(`failed: ${each.module}: ${each.case}\n  ${each.message}`)
  const empty = emptyCells(grid)
  for (const cell of empty) console.log(`empty: ${cell}`)
  const skipped = all.filter((each) => each.skipped !== '')
  printReasons(skipped)
  console.log(
    `${all.length - failed.length - skipped.length} passed, ${failed.length} failed, ${skipped.length} skipped`,
  )
  return failed.length === 0 && empty.length === 0 ? 0 : 1
})

function runSuites() {
  const report = join(root, 'reports', 'conformance.json')
  mkdirSync(join(root, 'reports'), { recursive: true })
  const args = ['run', 'conformance', '--reporter=json', `--outputFile=${report}`]
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const env = { ...process.env, KEYHSM_CONFORMANCE: 'full' }
  spawnSync(process.execPath, [vitest, ...args], { cwd: root, env, stdio: ['ignore', 'ignore', 2] })
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'))
  const tests = testResults.flatMap((file) => file.assertionResults)
  const outcome = (test) => ({
    status: test.status,
    message: test.failureMessages?.[0]?.split('\n')[0] ?? '',
  })
  const cases = tests
    .filter((test) => test.meta?.conformance)
    .map((test) => ({ ...test.meta.conformance, ...outcome(test) }))
  for (const module of modules) {
    if (!cases.some((each) => each.module === module))
      throw new Stop(`conformance: ${module} did not run`)
  }
  return { cases, behaviours: behavioursOf(tests, outcome) }
}

/** Rows of the vendor behaviour tables. A vendor whose set-up failed has tests without a row: they fail all the same. */
function behavioursOf(tests, outcome) {
  const isRow = (test) =>
    test.ancestorTitles.some((title) => title.startsWith('a device that behaves as'))
  return tests.filter(isRow).map((test) => {
    const { vendor, behaviour, expected } = test.meta?.behaviour ?? {}
    const module = vendor ?? test.ancestorTitles[0]
    return { module, case: behaviour ?? test.title, expected, skipped: '', ...outcome(test) }
  })
}

function printBehaviours(behaviours) {
  console.log('\nvendor behaviours, replayed (none was tried on a real device)')
  for (const each of behaviours) {
    const verdict = each.status === 'passed' ? 'ok' : 'FAILED'
    console.log(
      `${each.module.padEnd(17)} ${verdict.padEnd(7)} ${each.expected ?? '-'}: ${each.case}`,
    )
  }
  if (behaviours.length === 0) throw new Stop('conformance: the vendor behaviours did not run')
  console.log('')
}

function fill(cases) {
  const grid = new Map()
  for (const each of cases) {
    const key = `${each.module} ${each.scope} ${each.kind}`
    const cell = grid.get(key) ?? { passed: 0, failed: 0, skipped: 0 }
    const outcome = each.skipped ? 'skipped' : each.status === 'passed' ? 'passed' : 'failed'
    cell[outcome] += 1
    grid.set(key, cell)
  }
  return grid
}

function print(grid) {
  console.log(
    ['module'.padEnd(17), 'scope'.padEnd(13), ...kinds.map((kind) => kind.padStart(10))].join(''),
  )
  for (const [module, scope] of rows(grid)) {
    const cells = kinds.map((kind) =>
      formatCell(grid.get(`${module} ${scope} ${kind}`)).padStart(10),
    )
    console.log([module.padEnd(17), scope.padEnd(13), ...cells].join(''))
  }
}

/** Modules of which at least one rule was tried; of the others the reason is printed. */
function rows(grid) {
  const tried = [...grid].filter(([, cell]) => cell.passed + cell.failed > 0)
  const found = [...new Set(tried.map(([key]) => key.split(' ')[0]))]
  return found.flatMap((module) => scopes.map((scope) => [module, scope]))
}

function formatCell(cell) {
  if (!cell) return '-'
  if (cell.failed > 0) return `${cell.failed} FAILED`
  return cell.passed > 0 ? `${cell.passed} ok` : 'skipped'
}

/** Every scope × kind that a deposit can have must have been tried or skipped with a reason. */
function emptyCells(grid) {
  return rows(grid)
    .filter(([, scope]) => scope !== 'any')
    .flatMap(([module, scope]) => kinds.slice(0, 4).map((kind) => `${module} ${scope} ${kind}`))
    .filter((key) => !grid.has(key))
}

function printReasons(skipped) {
  const reasons = new Map()
  for (const each of skipped) {
    const key = `${each.module}: ${each.skipped}`
    reasons.set(key, [...(reasons.get(key) ?? []), each.case])
  }
  for (const [reason, names] of reasons)
    console.log(`skipped ${names.length}, ${reason}: ${names.join('; ')}`)
}
