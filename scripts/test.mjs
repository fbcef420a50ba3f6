#!/usr/bin/env node
/**
 * Everything that must hold, stage by stage: `npm test`. Makes the checkout ready first. Each stage prints its progress
 * and what it counted; the last line is `N passed, N failed, N skipped`. A skipped test prints its reason.
 *
 *   npm test -- [--only STAGE[,STAGE…]] [--list]
 */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { preparedVariable } from '../interop/lib/prepared-home.mjs'
import { runMain, say, Stop } from './lib/say.mjs'
import { root, setUp } from './set-up.mjs'

const reports = join(root, 'reports')
const node = process.execPath
/** Where stages that need the whole product find it brought up; it holds secrets of the tests, for this user alone. */
const preparedStack = join(reports, 'stack')
/** Stages that run beside each other. */
const runners = 3
/** Lines of a stage that failed without naming a case. */
const lastLines = 25
const bin = (name) => join(root, 'node_modules', '.bin', name)

/**
 * In their order. All others need the `types`, since these are what is built. What is `early` is cheap, or brings up what the
 * rest needs. `beside` is the rest, long ones first; `last` reads their reports. Stages of one time run three at once, each
 * taken by whoever is free: much of what the product does is waiting (for disks, sockets, timers), so that two leave a third
 * of two cores idle. The scripts, the longest of all, run three at once besides.
 */
const stages = [
  { name: 'types', command: [node, join(root, 'node_modules/typescript/bin/tsc'), '-b', root] },
  {
    when: 'early',
    name: 'bringing up',
    command: [node, 'interop/prepare-stack.mjs', preparedStack],
  },
  { when: 'early', name: 'commands', command: [node, 'scripts/check-commands.mjs', '--quiet'] },
  { when: 'early', name: 'package trees', command: [node, 'packaging/check-tree.mjs'] },
  { when: 'early', name: 'format', command: [bin('biome'), 'format', '.'] },
  { when: 'early', name: 'documents', command: [node, 'scripts/check-documents.mjs'] },
  { when: 'early', name: 'import rules', command: [node, 'scripts/check-imports.mjs'] },
  { when: 'early', name: 'sizes', command: [node, 'scripts/check-sizes.mjs'] },
  {
    when: 'beside',
    name: 'unit, conformance, store contract',
    count: countReport('unit.json'),
    command: vitest(),
  },
  {
    when: 'beside',
    name: 'whole-product scripts',
    count: countReport('scripts.json'),
    command: [
      node,
      'interop/run-scripts.mjs',
      '--at-once',
      '3',
      '--report',
      'reports/scripts.json',
    ],
  },
  {
    when: 'beside',
    name: 'faults',
    count: countReport('faults.json'),
    command: [node, 'interop/faults-table.mjs', '--report', 'reports/faults.json'],
  },
  { when: 'beside', name: 'terminal', command: [node, 'interop/at-terminal.mjs'] },
  {
    when: 'beside',
    name: 'fail-over',
    count: countReport('fail-over.json'),
    command: [node, 'interop/fail-over.mjs', '--report', 'reports/fail-over.json'],
  },
  {
    when: 'beside',
    name: 'client of Hadoop',
    count: countReport('hadoop.json'),
    command: [
      node,
      'interop/hadoop/run.mjs',
      'operations',
      'zone',
      'kerberos',
      '--offline',
      '--report',
      'reports/hadoop.json',
    ],
  },
  { when: 'beside', name: 'typed lint', command: [bin('oxlint'), '--type-aware', '--quiet'] },
  {
    when: 'beside',
    name: 'runbooks',
    count: countReport('runbooks.json'),
    command: [node, 'interop/runbooks.mjs', '--report', 'reports/runbooks.json'],
  },
  {
    when: 'beside',
    name: 'types of tests',
    command: [node, join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.tests.json'],
  },
  { when: 'beside', name: 'crash loop', command: [node, 'interop/crash-loop.mjs', '12'] },
  { when: 'beside', name: 'migrate loop', command: [node, 'interop/migrate-loop.mjs', '3'] },
  { when: 'beside', name: 'npm start', command: [node, 'interop/start-stop.mjs'] },
  { when: 'beside', name: 'trustees', command: [node, 'interop/trustees.mjs', '--quiet'] },
  { when: 'beside', name: 'secrets scan', command: [node, 'interop/secrets-scan.mjs'] },
  { when: 'beside', name: 'reload loop', command: [node, 'interop/reload-loop.mjs', '4'] },
  { when: 'beside', name: 'routes matrix', command: [node, 'interop/routes-matrix.mjs'] },
  {
    when: 'beside',
    name: 'transcripts',
    count: countReport('transcripts.json'),
    command: [node, 'interop/transcripts.mjs', '--report', 'reports/transcripts.json'],
  },
  { when: 'beside', name: 'fuzz', command: [node, 'scripts/fuzz.mjs', '--seconds', '5'] },
  {
    when: 'beside',
    name: 'race for the last use',
    command: [node, 'interop/race-last-use.mjs', '24'],
  },
  { when: 'last', name: 'manual', command: [node, 'scripts/check-manual.mjs'] },
]

await runMain(async () => {
  const chosen = chooseStages(process.argv.slice(2))
  setUp({ install: true, tests: true })
  const { isOpenToAll } = await import('../interop/lib/program-root.mjs')
  if (process.getuid() === 0 && !isOpenToAll(root)) return runInCopy(process.argv.slice(2))
  rmSync(reports, { recursive: true, force: true })
  mkdirSync(reports, { recursive: true })
  const total = { passed: 0, failed: 0, skipped: 0 }
  const faults = []
  const runAll = async (queue) => {
    for (let stage = queue.shift(); stage; stage = queue.shift()) {
      const result = await runStage(stage, `${chosen.indexOf(stage) + 1}/${chosen.length}`)
      for (const key of Object.keys(total)) total[key] += result[key]
      faults.push(...result.faults.map((fault) => `failed: ${stage.name}: ${fault}`))
    }
  }
  const began = Date.now()
  const stagesOf = (time) => chosen.filter(({ when }) => when === time)
  for (const time of [undefined, 'early', 'beside', 'last']) {
    const queue = stagesOf(time)
    await Promise.all(Array.from({ length: runners }, () => runAll(queue)))
  }
  rmSync(preparedStack, { recursive: true, force: true })
  say(`\n== all stages: ${((Date.now() - began) / 60_000).toFixed(1)} minutes`)
  for (const fault of faults) say(fault)
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  return total.failed === 0 && total.passed > 0 ? 0 : 1
})

/** Run as root, some tests become other users, who cannot enter a private checkout (below /root): then a copy is tested. */
function runInCopy(args) {
  const folder = mkdtempSync(join(tmpdir(), 'keyhsm-test-'))
  chmodSync(folder, 0o755)
  say(`test: ${root} is private, so a copy is tested: ${folder}`)
  try {
    spawnSync('cp', ['-a', `${root}/.`, join(folder, 'checkout')], { stdio: ['ignore', 2, 2] })
    chmodSync(join(folder, 'checkout'), 0o755)
    const script = join(folder, 'checkout', 'scripts', 'test.mjs')
    return spawnSync(process.execPath, [script, ...args], { stdio: 'inherit' }).status ?? 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function chooseStages(args) {
  const names = stages.map(({ name }) => shortName(name))
  if (args.includes('--list')) throw new Stop(names.join('\n'), 0)
  const only = args.includes('--only')
    ? (args[args.indexOf('--only') + 1] ?? '').split(',')
    : undefined
  const chosen = only ? stages.filter(({ name }) => only.includes(shortName(name))) : stages
  if (chosen.length === 0) throw new Stop(`test: no such stage; there are: ${names.join(', ')}`, 2)
  return chosen
}

/** Of a stage that says all it holds, the first. */
function shortName(name) {
  return name.split(',')[0]
}

/** A stage without a count of its own is one test: its exit status. A stage that counts fails too when it exits otherwise than 0. */
async function runStage(stage, position) {
  say(`\n== ${position} ${stage.name}`)
  const began = Date.now()
  const { exit, last } = await run(stage)
  const counted = stage.count?.() ?? {
    passed: exit === 0 ? 1 : 0,
    failed: exit === 0 ? 0 : 1,
    skipped: 0,
  }
  if (exit !== 0 && counted.failed === 0) counted.failed = 1
  const seconds = ((Date.now() - began) / 1000).toFixed(1)
  say(
    `== ${stage.name}: ${counted.passed} passed, ${counted.failed} failed, ${counted.skipped} skipped (${seconds} s)`,
  )
  return { ...counted, faults: counted.failed === 0 ? [] : faultsOf(counted, last) }
}

/** What failed, to be said once more at the end: the cases that the report names, or else the last lines. */
function faultsOf({ cases = [] }, last) {
  const failed = cases.filter(({ status }) => status === 'failed')
  if (failed.length === 0) return [last.join('\n')]
  return failed.map(({ name, why }) => (why ? `${name}: ${why}` : name))
}

/** Lines of stages side by side are mixed, so each says whose it is. */
function run({ when, name, command: [command, ...args] }) {
  const whose = shortName(name)
  const last = []
  return new Promise((resolve) => {
    const stdio = when ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2]
    const env = { ...process.env, [preparedVariable]: preparedStack }
    const child = spawn(command, args, { cwd: root, stdio, env })
    if (when) {
      for (const output of [child.stdout, child.stderr])
        createInterface({ input: output }).on('line', (line) => {
          last.push(line)
          if (last.length > lastLines) last.shift()
          say(`${whose} | ${line}`)
        })
    }
    child.on('error', (error) => {
      say(`cannot run ${command}: ${error.message}`)
      resolve({ exit: 127, last })
    })
    // Its last lines come after its end; 'close' would wait for what it left behind.
    child.on('exit', (code, signal) => {
      setTimeout(resolve, 200, { exit: code ?? (signal ? 1 : 0), last })
    })
  })
}

function vitest() {
  const report = join('reports', 'vitest.json')
  return [
    node,
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    `--reporter=${join(root, 'scripts/lib/counts-reporter.mjs')}`,
  ]
}

function countReport(file) {
  return () => takeReport(file) ?? { passed: 0, failed: 1, skipped: 0 }
}

/** Reports of an earlier run were removed at the start. */
function takeReport(file) {
  try {
    return JSON.parse(readFileSync(join(reports, file), 'utf8'))
  } catch {
    return undefined
  }
}
