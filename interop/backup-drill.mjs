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
    await backUpClient(first)
    await change(first)
    await lose(first)
    await restoreElsewhere(first, { audit: true })
    await restoreElsewhere(first, { audit: false })
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

/** A client's own keys: to a recipient, and to a passphrase; into a home without a client alone. */
async function backUpClient({ home, run, secret }) {
  writeFileSync(join(home, 'passphrase'), 'a passphrase of some length')
  const recipient = readFileSync(join(home, 'recipients'), 'utf8').trim()
  await run(`keytrustee backup ${home}/client.age --recipients-file ${home}/recipients`)
  await run(`keytrustee backup ${home}/client2.age --recipient ${recipient}`, { quiet: true })
  await run(`keytrustee backup ${home}/client3.age --passphrase-file ${home}/passphrase`)
  await run(`keytrustee backup ${home}/client.age --recipients-file ${home}/recipients`, {
    exit: 1,
  })
  await run(`keytrustee restore ${home}/client.age --identity ${home}/identity`, { exit: 1 })
  const elsewhere = (n) => `KEYHSM_HOME=${home}/elsewhere${n}`
  await run(`${elsewhere(1)} keytrustee restore ${home}/client.age --identity ${home}/identity`)
  await run(
    `${elsewhere(2)} keytrustee restore ${home}/client3.age --passphrase-file ${home}/passphrase`,
  )
  for (const n of [1, 2]) {
    const { stdoutBytes } = await run(`${elsewhere(n)} keytrustee get keep`)
    expect(stdoutBytes.equals(secret), 'a restored client reads what it could')
  }
}

/** After the backup: what a restore must not forget. */
async function change({ run }) {
  await run('keytrustee get counted')
  await run('keytrustee purge purge-later --yes')
}

/** The host is gone; its audit had been copied away, and the backup too. */
async function lose({ home, run }) {
  await run('keytrustee-server stop')
  await run(
    `cp -a ${home}/keytrustee/audit ${home}/keytrustee/audit.pub ${home}/keytrustee/backup ${home}/`,
  )
  await run(`rm -r ${home}/keytrustee`)
  await run(`mv ${home}/backup/*.ktbackup ${home}/the.ktbackup && chmod 755 ${home}/backup`)
}

/** Another home, other addresses, a Key HSM of its own on the same partition; the client only learns the new address. */
async function restoreElsewhere(first, { audit }) {
  const second = await Stack.create({ print, env: { SOFTHSM2_CONF: first.env.SOFTHSM2_CONF } })
  const { run, home } = second
  try {
    await second.run(`ln -s ${first.home}/client ${home}/client`, { quiet: true })
    const what = `ktadmin restore ${first.home}/the.ktbackup --identity ${first.home}/identity`
    const here = `--address 127.0.0.2 --port ${second.ports.trustee}`
    const sum = (await run(`sha256sum ${first.home}/the.ktbackup`)).stdout.split(' ')[0]
    const since = audit
      ? ` --audit ${first.home}/audit --audit-public-key ${first.home}/audit.pub`
      : ''
    await run(`${what} --hash ${'0'.repeat(64)}`, { exit: 1 })
    const { stdout } = await run(`${what} ${here} --hash ${sum}${since}`)
    expectText(
      stdout,
      audit ? 'deposits purged again:           1' : 'clients held:                    1',
    )
    await run(what, { exit: 1 })
    await joinHere(first, second)
    await moveClient(first, second)
    await (audit ? checkReplayed(first, second) : checkHeld(first, second))
    await run(`ktadmin drill ${first.home}/the.ktbackup --identity ${first.home}/identity`, {
      exit: audit ? 0 : 1,
    })
  } finally {
    await second.remove()
  }
}

async function joinHere(first, second) {
  const { run, home } = second
  second.pinFile = first.pinFile
  await second.setUpKeyHsm()
  const client = `${home}/keytrustee/.ssl/ssl-cert-keytrustee-keyhsm-client.pem`
  await run(`keyhsm trust ${client} --realm default`)
  await second.start()
  await second.join()
}

/** The pinned certificate is the same: only the address changes. */
async function moveClient(first, { run, ports }) {
  const file = `${first.home}/client/client.json`
  await run(`sed -i 's#https://[^"]*#https://127.0.0.2:${ports.trustee}#' ${file}`)
}

async function checkReplayed(first, { run }) {
  expect((await run('keytrustee get keep')).stdoutBytes.equals(first.secret), 'the deposit opens')
  await run('keytrustee get purge-later', { exit: 1 })
  await run('keytrustee get counted')
  await run('keytrustee get counted')
  await run('keytrustee get counted', { exit: 77 })
  await run('keytrustee get after-the-hsm-backup', { exit: 1 })
}

async function checkHeld(first, second) {
  const { run } = second
  expectText((await run('ktadmin status')).stdout, '1 clients, 1 deposits')
  expectText((await run('keytrustee get keep', { exit: 77 })).stderr, 'is held since')
  const held = JSON.parse((await run(`ktadmin holds --json --as ${adminOf(second)}`)).stdout)
  await run(`ktadmin holds release --uuid ${held.clients[0].uuid}`)
  expect((await run('keytrustee get keep')).stdoutBytes.equals(first.secret), 'the deposit opens')
  expectText((await run('keytrustee get counted', { exit: 77 })).stderr, 'is held since')
  await run(`ktadmin holds release --all --as ${adminOf(second)}`)
  await run('keytrustee get counted')
  expectText((await run('ktadmin hsm-keys missing', { exit: 1 })).stdout, 'purge-later')
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
