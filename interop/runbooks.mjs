#!/usr/bin/env node
/**
 * Runs docs/operations/outage.md: breaks a real installation as each section says, types the commands of the section, and
 * looks whether a deposit from before is served at its end. One line a runbook, then `N of N` and `N passed, N failed, N skipped`.
 *
 *   node interop/runbooks.mjs [NUMBER…] [--report FILE] [--verbose]
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runMain } from '../scripts/lib/say.mjs'
import { root } from '../scripts/lib/sources.mjs'
import { hostPidOf, kill } from './faults/lib/processes.mjs'
import { mountSmallDisks } from './faults/lib/small-disks.mjs'
import { LineFailed, runLines } from './lib/script-lines.mjs'
import { Stack } from './lib/stack.mjs'

const page = join(root, 'docs/operations/outage.md')

/** How each is broken, by its number. What it returns mends it where the page says that somebody else does. */
const breakages = {
  1: async (stack) => {
    const tokens = join(stack.home, 'tokens')
    renameSync(tokens, `${tokens}.away`)
    await kill(hostPidOf(stack))
    return () => renameSync(`${tokens}.away`, tokens)
  },
  2: async (stack) => {
    const next = join(stack.home, 'pin.new')
    writeFileSync(next, 'another-PIN', { mode: 0o600 })
    stack.shell.env.NEW_PIN = next
    await stack.run(stack.pkcs11Tool(`--change-pin --new-pin "$(cat ${next})"`))
    stack.marks.push({ name: 'the new PIN', value: 'another-PIN' })
    stack.pinFile = next
  },
  3: async (stack) => {
    await stack.run(`echo ${stack.secret} | keytrustee put unneeded -`)
    const { keys } = JSON.parse((await stack.run('keyhsm status --json')).stdout)
    setLine(stack, 'keyhsm.key.limit', String(keys))
    await stack.run('keyhsm reload')
    return async () => {
      setLine(stack, 'keyhsm.key.limit', '100000')
      await stack.run('keyhsm reload')
    }
  },
  4: async (stack) => {
    await stack.run('keyhsm stop')
    const token = `--init-token --free --label other --pin "$(cat ${stack.pinFile})" --so-pin "$(cat ${stack.home}/pin.so)"`
    await stack.run(`${stack.asKeyHsm}softhsm2-util ${token}`)
    setLine(stack, 'softhsm.token.label', 'other')
  },
  5: async (stack) => {
    await stack.run('ktadmin db stop')
  },
  6: async (stack) => {
    const free = stack.disks.fill('keytrustee')
    // The last page of the file has room for an entry or two.
    const get = () => stack.run('keytrustee get kept', { exit: 'any', quiet: true })
    while ((await get()).exit === 0);
    return free
  },
  7: async (stack) => {
    await stack.run('keyhsm stop')
    await stack.run("faketime '-20 years' keyhsm cert renew --now")
  },
  8: (stack) => {
    stack.shell.env.SECOND = secondHome(stack)
  },
  9: () => undefined,
}

await runMain(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { report: { type: 'string' }, verbose: { type: 'boolean', default: false } },
  })
  const runbooks = readRunbooks().filter(
    ({ number }) => positionals.length === 0 || positionals.includes(number),
  )
  const cases = []
  const stack = await Stack.create({ print: values.verbose ? console.log : undefined })
  mountSmallDisks(stack)
  try {
    await stack.bringUp()
    await stack.run(`echo ${stack.secret} | keytrustee put kept -`)
    for (const runbook of runbooks) cases.push(await run(stack, runbook))
  } finally {
    await stack.run(`keyhsm --home ${secondHome(stack)} stop`, { exit: 'any', quiet: true })
    await stack.stop({ quiet: true })
    stack.disks?.unmount()
  }
  const leak = await stack.remove().catch((error) => error.message)
  if (leak) cases.push(say({ name: 'secrets', status: 'failed', why: leak }))
  return report(cases, values.report)
})

/** Where the Key HSM of another node lives: it is stopped besides, whatever became of its runbook. */
function secondHome({ home }) {
  return join(home, 'second')
}

/** Sections with a number, each the lines of its blocks in order. */
function readRunbooks() {
  const sections = readFileSync(page, 'utf8').split(/^## (?=\d+\. )/m)
  return sections.slice(1).map((section) => {
    const [title] = section.split('\n')
    const blocks = section.matchAll(/^```console\n(.*?)^```|^<!-- mend -->$/gms)
    const lines = [...blocks].flatMap(([all, lines]) => (lines ?? all).trimEnd().split('\n'))
    return { number: title.split('.')[0], title, lines }
  })
}

/** Breaks, follows the page, and looks whether all is well again. */
async function run(stack, { number, title, lines }) {
  const began = Date.now()
  const name = `docs/operations/outage.md ${title}`
  if (number === '6' && !stack.disks)
    return say({ name, status: 'skipped', why: 'small disks need the right to mount' })
  let mend
  const mendOnce = async () => {
    const now = mend
    mend = undefined
    await now?.()
  }
  try {
    mend = await breakages[number](stack)
    await runLines(stack, lines, { '<!-- mend -->': mendOnce })
    const served = await stack.run('keytrustee get kept', { quiet: true })
    if (served.stdout.trim() !== stack.secret.toString()) throw new Error('other bytes came back')
    return say({ name, status: 'passed', ms: Date.now() - began })
  } catch (error) {
    const why = error instanceof LineFailed ? error.message : (error.stack ?? String(error))
    return say({ name, status: 'failed', why })
  } finally {
    await mendOnce()
  }
}

function say(result) {
  const { name, status, why, ms } = result
  const time = ms === undefined ? '' : ` (${(ms / 1000).toFixed(1)} s)`
  console.log(`${status}  ${name}${time}${why ? `\n${why.replaceAll(/^/gm, '  ')}` : ''}`)
  return result
}

function report(cases, file) {
  const count = (wanted) => cases.filter(({ status }) => status === wanted).length
  const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map(count)
  if (file) writeFileSync(join(root, file), JSON.stringify({ passed, failed, skipped, cases }))
  console.log(`${passed} of ${cases.length}`)
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  return failed === 0 && passed > 0 ? 0 : 1
}

/** Sets or adds one setting of Key HSM, as a person with an editor does. */
function setLine(stack, name, value) {
  const file = join(stack.home, 'keyhsm/application.properties')
  const rest = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => !line.startsWith(`${name}=`) && !line.startsWith(`${name} `))
  writeFileSync(file, `${rest.join('\n').trimEnd()}\n${name}=${value}\n`)
}
