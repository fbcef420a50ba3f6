#!/usr/bin/env node
/**
 * Hadoop's published client against `keytrustee-kms`: `npm run interop:hadoop`. Needs Java and Maven; what they are missing for is
 * skipped with the reason.
 *
 *   node interop/hadoop/run.mjs [operations] [zone] [kerberos] [moving] [failover] [--offline] [--report FILE] [--record]
 *
 * Without a part all are run. --offline downloads nothing: Hadoop's artifacts are those that Maven fetched before, else all is skipped.
 * --record asks Hadoop's own KMS instead and writes its outcomes down.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runMain, say, Stop } from '../../scripts/lib/say.mjs'
import { root } from '../../scripts/lib/sources.mjs'
import { findMissingJava } from './lib/java.mjs'
import { findMissingKdc } from './lib/kdc.mjs'
import { startOurKms } from './lib/our-kms.mjs'
import { startRealKms } from './lib/real-kms.mjs'
import { failover } from './failover.mjs'
import { kerberos } from './kerberos.mjs'
import { moving } from './moving.mjs'
import { compareOperations, recordOperations } from './operations.mjs'
import { zone } from './zone.mjs'

/** Each part gets a running KMS and returns its line, or throws. */
const parts = { operations, zone, kerberos, moving, failover }
/** What single parts need besides Java and the client's artifacts. */
const needs = {
  kerberos: () => findMissingKdc(),
  moving: (how) => findMissingKdc() ?? findMissingJava(['server'], how),
}
const cure = 'install it with: npm run set-up -- --hadoop'

await runMain(async () => {
  const { values: options, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      offline: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
      report: { type: 'string' },
    },
  })
  const unknown = positionals.find((name) => !Object.hasOwn(parts, name))
  if (unknown) throw new Stop(`interop:hadoop: no part ${unknown}`, 2)
  if (options.record) return record(options)
  const chosen = Object.keys(parts).filter(
    (name) => positionals.length === 0 || positionals.includes(name),
  )
  const cases = await runAll(chosen, options)
  const count = (wanted) => cases.filter(({ status }) => status === wanted).length
  const counts = { passed: count('passed'), failed: count('failed'), skipped: count('skipped') }
  if (options.report)
    writeFileSync(join(root, options.report), JSON.stringify({ ...counts, cases }))
  const { passed, failed, skipped } = counts
  console.log(`interop:hadoop: ${passed} passed, ${failed} failed, skipped ${skipped}`)
  return failed === 0 ? 0 : 1
})

async function runAll(chosen, how) {
  const missing = findMissingJava(['client'], how)
  const cases = []
  for (const name of chosen) {
    const lacking = missing ?? needs[name]?.(how)
    const done = lacking ? { status: 'skipped', why: `${lacking}; ${cure}` } : await runPart(name)
    if (done.status !== 'passed') console.log(`${name}: ${done.status}: ${done.why}`)
    cases.push({ name, ...done })
  }
  return cases
}

async function runPart(name) {
  try {
    console.log(await parts[name]())
    return { status: 'passed' }
  } catch (error) {
    return { status: 'failed', why: String(error.stack ?? error) }
  }
}

async function record(how) {
  const missing = findMissingJava(['client', 'server'], how)
  if (missing) throw new Stop(`interop:hadoop: ${missing}; ${cure}`)
  const real = await startRealKms()
  try {
    await recordOperations(real.url)
    say('hadoop: recorded/outcomes.txt is written')
  } finally {
    await real.stop()
  }
  return 0
}

async function operations() {
  const kms = await startOurKms()
  try {
    const { count, equal, wrong, listed } = await compareOperations(kms.url)
    for (const one of wrong) console.log(one)
    const line = `operations ${equal} of ${count} equal (${listed} as recorded/differences.txt says)`
    if (equal !== count) throw new Error(line)
    return line
  } finally {
    await kms.stop()
  }
}
