#!/usr/bin/env node
/**
 * Runs docs/operations/outage.md: breaks a real installation as each section says, types the commands of the section, and
 * looks whether a deposit from before is served at its end. One line a runbook, then `N of N`. The alerts of
 * docs/operations/alerts.md that a section or a further fault fires are crossed by what the services show meanwhile, and
 * not before or after. At last `N passed, N failed, N skipped`.
 *
 *   node interop/runbooks.mjs [NUMBER… | further] [--report FILE] [--verbose]
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runMain } from '../scripts/lib/say.mjs'
import { root } from '../scripts/lib/sources.mjs'
import { hostPidOf, kill } from './faults/lib/processes.mjs'
import { kmsDisk, mountSmallDisks } from './faults/lib/small-disks.mjs'
import { AlertWatch, alertsFiredBy, readPage } from './lib/alert-watch.mjs'
import { addKms, furtherFaults } from './lib/further-alerts.mjs'
import { freePort } from './lib/ports.mjs'
import { LineFailed, runLines } from './lib/script-lines.mjs'
import { setLine } from './lib/setting-lines.mjs'
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
    await backUpBeforeLoss(stack)
    await stack.run('ktadmin db stop')
    return () => stack.disks?.follow('keytrustee', 'keytrustee.lost')
  },
  6: async (stack) => {
    const full = []
    // The last page of each file has room for an entry or two.
    const fill = async (disk, alert, command) => {
      full.push(stack.disks.fill(disk))
      while ((await stack.watch.crossed([alert])).length === 0)
        await stack.run(command, { exit: 'any', quiet: true })
    }
    await fill('keyhsm', 'KeyHsmAuditStopped', 'keytrustee get kept')
    // Is refused before Key HSM is asked.
    await fill('keytrustee', 'KeytrusteeAuditStopped', 'keytrustee get missing')
    return () => full.forEach((free) => free())
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

/** What the page has done by somebody else, or by the disaster, where its text has such a mark. */
const marks = {
  '<!-- lose -->': async (stack) => {
    await stack.run('ktadmin db stop')
    await stack.run(`find ${stack.home}/keytrustee/db -mindepth 1 -delete`)
  },
}

await runMain(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { report: { type: 'string' }, verbose: { type: 'boolean', default: false } },
  })
  const isChosen = (word) => positionals.length === 0 || positionals.includes(word)
  // The lost home of the fifth takes the small disks along.
  const runbooks = readRunbooks()
    .filter(({ number }) => isChosen(number))
    .toSorted((a, b) => Number(a.number === '5') - Number(b.number === '5'))
  const cases = []
  const stack = await Stack.create({ print: values.verbose ? console.log : undefined })
  mountSmallDisks(stack, [kmsDisk])
  await watchServices(stack)
  try {
    await stack.bringUp()
    await stack.run(`echo ${stack.secret} | keytrustee put kept -`)
    if (isChosen('further')) cases.push(...(await runFurther(stack)))
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

/** Both services show their numbers, on ports of their own. */
async function watchServices(stack) {
  const [keyhsm, keytrustee] = [await freePort(0), await freePort(0)]
  stack.beforeStart = () => {
    setLine(stack, 'keyhsm.service.port', String(keyhsm))
    setLine(
      stack,
      'keytrustee.monitoring.port',
      String(keytrustee),
      'keytrustee/keytrustee.properties',
    )
  }
  const read = (port) => () => readPage(`http://127.0.0.1:${port}/metrics`)
  stack.watch = new AlertWatch({ keyhsm: read(keyhsm), keytrustee: read(keytrustee) })
}

/** The alerts that no section of the page fires; a KMS is there for the time. */
async function runFurther(stack) {
  const port = await freePort(0)
  await addKms(stack, port)
  const page = `https://localhost:${port}/kms/metrics/prometheus?user.name=monitor`
  const authority = join(stack.home, 'keytrustee-kms/tls/kms.pem')
  stack.watch.jobs['keytrustee-kms'] = () => readPage(page, authority)
  const cases = []
  for (const fault of furtherFaults) cases.push(await runFault(stack, fault))
  const told = furtherFaults.flatMap((fault) => fault.alerts).sort()
  if (told.join() !== alertsFiredBy('further').sort().join())
    cases.push(say({ name: 'alerts.json', status: 'failed', why: 'names others as `further`' }))
  await stack.run('keytrustee-kms stop')
  delete stack.watch.jobs['keytrustee-kms']
  return cases
}

async function runFault(stack, fault) {
  const began = Date.now()
  const name = `alerts at ${fault.name}`
  if (fault.needsDisks && !stack.disks)
    return say({ name, status: 'skipped', why: 'small disks need the right to mount' })
  let cure
  try {
    const fired = await stack.watch.begin(fault.alerts)
    cure = await fault.make(stack)
    await fired()
    await cure()
    cure = undefined
    if (!fault.lasting) await stack.watch.end(fault.alerts)
    return say({ name, status: 'passed', ms: Date.now() - began })
  } catch (error) {
    return say({ name, status: 'failed', why: error.stack ?? String(error) })
  } finally {
    await cure?.()
  }
}

/** Where the Key HSM of another node lives: it is stopped besides, whatever became of its runbook. */
function secondHome({ home }) {
  return join(home, 'second')
}

/** A backup outside of the home, then one deposit that is not in it. */
async function backUpBeforeLoss(stack) {
  const { env } = stack.shell
  env.IDENTITY = join(stack.home, 'backup.identity')
  env.BACKUP = join(stack.home, 'last.ktbackup')
  await stack.run(`ktadmin backup-identity ${env.IDENTITY}`, { quiet: true })
  const recipient = /# recipient: (\S+)/.exec(readFileSync(env.IDENTITY, 'utf8'))?.[1]
  await stack.run(`ktadmin backup --recipient ${recipient}`, { quiet: true })
  await stack.run(`mv ${stack.home}/keytrustee/backup/*.ktbackup ${env.BACKUP}`)
  await stack.run(`echo ${stack.secret} | keytrustee put after-the-backup -`)
}

/** Sections with a number, each the lines of its blocks in order. */
function readRunbooks() {
  const sections = readFileSync(page, 'utf8').split(/^## (?=\d+\. )/m)
  return sections.slice(1).map((section) => {
    const [title] = section.split('\n')
    const blocks = section.matchAll(/^```console\n(.*?)^```|^<!-- (?:mend|lose) -->$/gms)
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
  const expected = alertsFiredBy('runbooks', number)
  try {
    const fired = await stack.watch.begin(expected)
    mend = await breakages[number](stack)
    // What a stopped service does not show must be seen before the page mends it.
    await Promise.all([fired(), runLines(stack, lines, { ...marks, '<!-- mend -->': mendOnce })])
    const served = await stack.run('keytrustee get kept', { quiet: true })
    if (served.stdout.trim() !== stack.secret.toString()) throw new Error('other bytes came back')
    await mendOnce()
    await stack.watch.end(expected)
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
  const books = cases.filter(({ name }) => name.startsWith('docs/'))
  console.log(`${books.filter(({ status }) => status === 'passed').length} of ${books.length}`)
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  return failed === 0 && passed > 0 ? 0 : 1
}
