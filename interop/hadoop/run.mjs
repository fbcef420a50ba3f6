#!/usr/bin/env node
/**
 * Hadoop's published client against `keytrustee-kms`: `npm run interop:hadoop [-- operations zone kerberos moving failover] [-- --record]`.
 * Needs Java and Maven; without them everything is skipped with the reason. `--record` asks Hadoop's own KMS instead and
 * writes its outcomes down.
 */
import { runMain, say } from '../../scripts/lib/say.mjs'
import { findMissingTool } from './lib/java.mjs'
import { findMissingKdc } from './lib/kdc.mjs'
import { startOurKms } from './lib/our-kms.mjs'
import { startRealKms } from './lib/real-kms.mjs'
import { failover } from './failover.mjs'
import { kerberos } from './kerberos.mjs'
import { moving } from './moving.mjs'
import { compareOperations, recordOperations } from './operations.mjs'
import { zone } from './zone.mjs'

const args = process.argv.slice(2)

/** Each part gets a running KMS and returns its line, or throws. */
const parts = { operations, zone, kerberos, moving, failover }
/** What single parts need besides Java and Maven. */
const needs = { kerberos: findMissingKdc, moving: findMissingKdc }
const cure = 'install it with: npm run set-up -- --hadoop'

await runMain(async () => {
  const missing = findMissingTool()
  if (missing) {
    console.log(`interop:hadoop: skipped ${Object.keys(parts).length}: ${missing}; ${cure}`)
    return 0
  }
  if (args.includes('--record')) return record()
  const chosen = Object.keys(parts).filter((name) => args.length === 0 || args.includes(name))
  let failed = 0
  let skipped = 0
  for (const name of chosen) {
    const lacking = needs[name]?.()
    if (lacking) {
      skipped += 1
      console.log(`${name}: skipped: ${lacking}; ${cure}`)
      continue
    }
    try {
      console.log(await parts[name]())
    } catch (error) {
      failed += 1
      console.log(`${name}: FAILED: ${error.stack ?? error}`)
    }
  }
  const passed = chosen.length - failed - skipped
  console.log(`interop:hadoop: ${passed} passed, ${failed} failed, skipped ${skipped}`)
  return failed === 0 && chosen.length > 0 ? 0 : 1
})

async function record() {
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
