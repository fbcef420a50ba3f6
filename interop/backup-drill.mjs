#!/usr/bin/env node
/**
 * `npm run backup:drill`: a backup, the loss of its host, the restore on another one, and the drills that prove both, with the
 * commands that an operator types. Hosts are homes with ports of their own; the HSM partition is the one thing they share.
 */
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runMain } from '../scripts/lib/say.mjs'
import { Stack } from './lib/stack.mjs'

const print = (line) => console.log(line.replace(/age1[a-z0-9]{100,}/g, 'age1…'))

await runMain(async () => {
  const first = await Stack.create({ print })
  try {
    await first.bringUp()
    await backUp(first)
    await drill(first)
    await hsmBackups(first)
    return 0
  } finally {
    await first.remove()
  }
})

/** Two backups into a folder of which one stays; no recipients, no backup. */
async function backUp(stack) {
  const { home, run } = stack
  for (const handle of ['keep', 'purge-later']) await put(stack, handle)
  await run('keytrustee put counted - --max-retrievals 3', { input: stack.secret })
  expectText(
    (await run('ktadmin backup', { exit: 78 })).stderr,
    'nobody is named who shall be able',
  )
  await run(`ktadmin backup-identity ${home}/identity`)
  const recipient = /# recipient: (\S+)/.exec(readFileSync(join(home, 'identity'), 'utf8'))?.[1]
  writeFileSync(join(home, 'recipients'), `${recipient}\n`)
  chmodSync(join(home, 'recipients'), 0o644)
  await run(`ktadmin backup --recipient ${recipient} --to ${folderOf(stack)} --roll 1`, {
    quiet: true,
  })
  await run('sleep 1', { quiet: true })
  await run(
    `ktadmin backup --recipients-file ${home}/recipients --identity ${home}/identity --to ${folderOf(stack)} --roll 1 --as ${adminOf(stack)}`,
  )
  const names = readdirSync(folderOf(stack))
  expect(names.length === 1, 'one backup stays')
  const file = join(folderOf(stack), names[0])
  expect((statSync(file).mode & 0o777) === 0o600, 'only its owner may read it')
  expect(!readFileSync(file).includes('keytrustee.server'), 'nothing is in clear')
}

/** The proof of the backup; a Ctrl-C in the middle and a damaged file leave nothing behind. */
async function drill(stack) {
  const { home, run } = stack
  const before = leftovers(stack)
  const command = `ktadmin drill ${backupOf(stack)} --identity ${home}/identity`
  expectText((await run(`${command} --as ${adminOf(stack)}`)).stdout, 'passed')
  await run(
    `${command} & until ls -d ${home}/keytrustee/drill-*; do sleep 0.1; done; sleep 1; kill -INT $!; wait $!`,
    { exit: 69 },
  )
  await run(`head -c 9000 ${backupOf(stack)} > ${home}/cut && chmod 644 ${home}/cut`)
  await run(`ktadmin drill ${home}/cut --identity ${home}/identity`, { exit: 1 })
  expect(leftovers(stack) === before, 'drills leave nothing behind')
}

async function hsmBackups(stack) {
  const { run } = stack
  const hourAgo = new Date(Date.now() - 3600_000).toISOString()
  expectText((await run(`ktadmin hsm-backup-done --at ${hourAgo}`)).stdout, 'sealed since: 3')
  await run(`ktadmin hsm-backup-done --as ${adminOf(stack)}`)
  await put(stack, 'after-the-hsm-backup')
  expectText((await run('ktadmin status')).stdout, 'revisions sealed since: 1')
  await run(`ktadmin hsm-keys missing --as ${adminOf(stack)}`)
}

function put({ run, secret }, handle) {
  return run(`keytrustee put ${handle} -`, { input: secret })
}

function folderOf({ home }) {
  return join(home, 'keytrustee', 'backup')
}

function backupOf(stack) {
  return join(folderOf(stack), readdirSync(folderOf(stack))[0])
}

function adminOf({ home }) {
  const [key] = readdirSync(join(home, 'keytrustee', 'admin')).filter((name) =>
    name.endsWith('.key'),
  )
  return key.replace('.key', '')
}

/** What drills make: folders of their own, processes that work in them. */
function leftovers({ home }) {
  const folders = readdirSync(join(home, 'keytrustee')).filter((name) => name.startsWith('drill-'))
  const processes = readdirSync('/proc').filter((pid) =>
    commandOf(pid).includes(`${home}/keytrustee/drill-`),
  )
  return JSON.stringify([folders, processes])
}

function commandOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function expectText(text, wanted) {
  expect(text.includes(wanted), `${JSON.stringify(wanted)} is said`)
}

function expect(holds, what) {
  if (!holds) throw new Error(`does not hold: ${what}`)
  console.log(`ok: ${what}`)
}
