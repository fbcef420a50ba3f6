#!/usr/bin/env node
/**
 * `npm run secrets:scan`: uses marked secrets (PIN, enrolment secret, contents) through the whole product, failures
 * included, then searches for them, plain and encoded, in every file of the home, in the database, in all output and in
 * the process lists taken meanwhile. First it plants one and must find it.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runMain, Stop } from '../scripts/lib/say.mjs'
import { watchProcesses } from './lib/process-lists.mjs'
import { filesBelow, findSecrets } from './lib/secret-search.mjs'
import { Stack } from './lib/stack.mjs'

/** Where the client was told to put what it retrieved. */
const allowed = [/^copy$/]

await runMain(async () => {
  const output = []
  const stack = await Stack.create({ print: (line) => output.push(line) })
  const watch = watchProcesses()
  try {
    const marks = await exercise(stack)
    const found = search(stack, { marks, output, processes: watch.lists() })
    for (const place of found) console.log(`found: ${place}`)
    console.log(
      `searched ${marks.length} marked secrets in ${watch.lists().length} process lists and ${filesBelow(stack.home, allowed).length} files, the database dump and all output`,
    )
    console.log(`${found.length === 0 ? 'nothing found' : `${found.length} places hold a secret`}`)
    return found.length === 0 ? 0 : 1
  } finally {
    watch.stop()
    await stack.remove()
  }
})

/** Every way of a secret through the product: the usual ones and those that fail. */
async function exercise(stack) {
  const marks = []
  const mark = (name) => {
    const value = `MARK${name}${randomBytes(12).toString('hex')}`
    marks.push({ name, value })
    return value
  }
  await stack.makeToken({ pin: mark('pin') })
  await stack.setUpKeyHsm()
  await stack.setUpTrustee()
  await stack.start()
  await stack.join()
  await stack.addOrganisation()
  marks.push({ name: 'auth', value: readFileSync(stack.authFile, 'utf8').trim() })
  await stack.register()
  await depositAndFail(stack, mark)
  await stack.stop()
  plantAndFind(stack, marks)
  return marks
}

async function depositAndFail(stack, mark) {
  for (const [handle, flag] of [
    ['sealed', ''],
    ['plain', ' --no-seal'],
  ]) {
    writeFileSync(join(stack.home, `content-${handle}`), mark(handle), { mode: 0o600 })
    await stack.run(`keytrustee put ${handle} ${stack.home}/content-${handle}${flag}`)
    await stack.run(`keytrustee get ${handle}${flag} -o ${stack.home}/copy`)
    await stack.run(`keytrustee put ${handle} ${stack.home}/content-${handle}${flag}`, {
      exit: 'any',
    })
  }
  const wrong = mark('wrongpin')
  writeFileSync(join(stack.home, 'content-wrong-pin'), wrong, { mode: 0o600 })
  await stack.run(
    `keyhsm setup softhsm --token-label keytrustee --pin-file ${stack.home}/content-wrong-pin --dry-run`,
    { exit: 'any' },
  )
  const auth = mark('wrongauth')
  writeFileSync(join(stack.home, 'content-wrong-auth'), auth, { mode: 0o600 })
  await stack.run(
    `KEYHSM_HOME=${stack.home}/other keytrustee register --server ${stack.url} --org demo --auth-file ${stack.home}/content-wrong-auth --server-fingerprint ${await stack.serverFingerprint()} --clientname other`,
    { exit: 'any' },
  )
  await stack.run('keyhsm settings', { exit: 'any' })
  await stack.run('keyhsm settings --json', { exit: 'any' })
  await stack.run('ktadmin status --json', { exit: 'any' })
  await stack.run('ktadmin org list --json', { exit: 'any' })
  const dump = await dumpDatabase(stack)
  writeFileSync(join(stack.home, 'database.sql'), dump)
}

/** The private database lets only its own user in, through the socket that `ktadmin db status` names. */
async function dumpDatabase(stack) {
  const status = JSON.parse((await stack.run('ktadmin db status --json', { quiet: true })).stdout)
  const as = stack.isRoot ? 'runuser -u keytrustee -- ' : ''
  const result = await stack.run(
    `${as}pg_dump -h ${status.socketDirectory} -p ${status.port} -d keytrustee`,
    { quiet: true },
  )
  if (!result.stdout.includes('CREATE TABLE'))
    throw new Stop('secrets-scan: the dump holds no table')
  return result.stdout
}

function plantAndFind(stack, marks) {
  writeFileSync(
    join(stack.home, 'keyhsm-planted.log'),
    `a line with ${Buffer.from(marks[0].value).toString('base64')} in it\n`,
  )
  const found = search(stack, { marks, output: [], processes: [] })
  rmSync(join(stack.home, 'keyhsm-planted.log'))
  if (!found.some((place) => place.includes('keyhsm-planted.log'))) {
    throw new Stop('secrets-scan: the planted secret was not found, so the search is worth nothing')
  }
}

function search(stack, { marks, output, processes }) {
  const texts = { 'output of a command': output.join('\n'), 'a process list': processes.join('\n') }
  return findSecrets({ home: stack.home, marks, texts, allowed })
}
