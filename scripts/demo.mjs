#!/usr/bin/env node
/**
 * The main job with real parts: a secret sealed under a key in an HSM, stored, read back, and gone once its key is gone.
 *
 *   npm run demo [-- --no-install] [-- --kms] [-- --keep DIR]
 *
 * --no-install only checks what the set-up would install. --kms goes on with a Hadoop KMS. --keep DIR leaves home and services there and says how to stop
 * them. Everything else is removed and stopped at the end, also after a failure.
 */
import { randomBytes } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { showKms } from './lib/demo-kms.mjs'
import { runMain, say, Stop } from './lib/say.mjs'
import { setUp } from './set-up.mjs'

const options = parseOptions(process.argv.slice(2))
/** So many deposits beside the first. */
const many = 25

await runMain(async () => {
  if (options.keep) requireEmpty(options.keep)
  setUp({ install: options.install })
  if (!options.install) {
    say('demo: everything is installed')
    return 0
  }
  const listeningBefore = listening()
  const { Stack } = await import('../interop/lib/stack.mjs')
  const began = Date.now()
  const stack = await Stack.create({
    home: options.keep,
    usualPorts: true,
    print: (line) => console.log(line),
  })
  try {
    announce(stack)
    await showMainJob(stack)
    if (options.kms) await showKms(stack, title)
  } catch (error) {
    if (options.keep) await stack.stop()
    else await stack.remove()
    throw error.result ? new Stop(`demo: failed\n${error.message}`) : error
  }
  if (options.keep) {
    keep(stack)
    return 0
  }
  await stack.stop()
  await stack.remove()
  checkNothingLeft(listeningBefore, stack.home)
  console.log(`\ndemo: done in ${((Date.now() - began) / 1000).toFixed(1)} s`)
  return 0
})

function parseOptions(args) {
  const found = { install: true, kms: false, keep: undefined }
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--no-install') found.install = false
    else if (args[i] === '--kms') found.kms = true
    else if (args[i] === '--keep' && args[i + 1]) found.keep = resolve(args[++i])
    else {
      say(
        `demo: unknown option ${args[i]}; usage: npm run demo -- [--no-install] [--kms] [--keep DIR]`,
      )
      process.exit(2)
    }
  }
  return found
}

/** What an earlier demo left there is not to be mixed with, and not to be stopped when this one fails. */
function requireEmpty(folder) {
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new Stop(`demo: ${folder} is not empty: --keep takes a new folder`, 2)
}

function announce(stack) {
  const usual = stack.ports.keyhsm === 9090 && stack.ports.trustee === 11371
  console.log(`home: ${stack.home}`)
  console.log(
    usual
      ? 'ports: 9090 (Key HSM) and 11371 (Trustee Server), the usual ones'
      : `ports: the usual ones are taken, so ${stack.ports.keyhsm} (Key HSM) and ${stack.ports.trustee} (Trustee Server)`,
  )
  for (const line of stack.exports) console.log(`$ ${line}`)
}

async function showMainJob(stack) {
  title('1. A token, Key HSM and Trustee Server, trust in both directions')
  await stack.makeToken()
  await stack.setUpKeyHsm()
  await stack.setUpTrustee()
  await stack.start()
  await stack.join()

  title('2. An organisation, a client, a deposit; the HSM’s own tool lists its key')
  await addOrganisation(stack)
  await stack.register()
  const secret = join(stack.home, 'secret.bin')
  writeFileSync(secret, randomBytes(3000), { mode: 0o600 })
  await stack.run(`keytrustee put backup-key ${secret}`)
  const label = await showKey(stack)

  title('3. Everything stops and starts; the same bytes come back')
  await stack.stop()
  await stack.start()
  await stack.run(`keytrustee get backup-key -o ${stack.home}/secret.copy`)
  await stack.run(`cmp ${secret} ${stack.home}/secret.copy && echo identical`)
  await depositMany(stack)
  await checkMany(stack)

  title('4. The connection check of the manual')
  await checkTestHsm(stack)

  title(
    '5. One key revoked, one deleted with the HSM’s own tool: those two deposits are gone, and only those',
  )
  await stack.run(`keyhsm keys revoke ${label} --yes`)
  const other = await labelOf(stack, 'deposit-07')
  await stack.run(stack.pkcs11Tool(`--delete-object --type privkey --label ${other}`))
  await expectIrretrievable(stack, 'backup-key')
  await expectIrretrievable(stack, 'deposit-07')
  await checkMany(stack, 'deposit-07')

  title('6. Both audit chains verify')
  await stack.run(`keyhsm audit public-key > ${stack.home}/audit.pem`)
  await stack.run(`keyhsm audit verify --public-key ${stack.home}/audit.pem`)
  await stack.run('ktadmin audit verify')
}

function title(text) {
  console.log(`\n== ${text}`)
}

async function addOrganisation(stack) {
  console.log('$ ktadmin org add demo    # the secret is shown once; here it goes to a 0600 file')
  await stack.addOrganisation()
}

async function showKey(stack) {
  const result = await stack.run(stack.pkcs11Tool('--list-objects --type privkey'))
  const pattern = /label:\s+(backup-key-[0-9A-Za-z]{4}-[0-9A-Za-z]{4}-\d{4}-\d{2}-\d{2})/
  const label = pattern.exec(result.stdout)?.[1]
  if (!label) throw new Stop('demo: the HSM lists no key named by the convention handle-uuid-date')
  return label
}

/** 1 byte, 1 KiB, 1 MiB, NULs, and random ones between. */
async function depositMany(stack) {
  const folder = join(stack.home, 'many')
  mkdirSync(folder, { mode: 0o700 })
  for (let i = 1; i <= many; i++) {
    const name = `deposit-${String(i).padStart(2, '0')}`
    const special = {
      1: randomBytes(1),
      2: randomBytes(1024),
      3: randomBytes(2 ** 20),
      4: Buffer.alloc(64),
    }
    writeFileSync(join(folder, name), special[i] ?? randomBytes(i * 37), { mode: 0o600 })
  }
  await stack.run(`cd ${folder} && sha256sum * > ${folder}.sha256`)
  await stack.run(`cd ${folder} && ls | xargs -P 2 -I {} keytrustee put {} {}`, {
    timeoutMs: 120_000,
  })
}

async function checkMany(stack, gone) {
  const [folder, copies] = ['many', 'copies'].map((name) => join(stack.home, name))
  const without = gone ? ` | grep -vx ${gone}` : ''
  await stack.run(`rm -rf ${copies} && mkdir -m 700 ${copies}`)
  await stack.run(
    `cd ${folder} && ls${without} | xargs -P 2 -I {} keytrustee get {} -o ${copies}/{}`,
    { timeoutMs: 120_000 },
  )
  const { stdout } = await stack.run(
    `cd ${copies} && sha256sum --check --quiet --ignore-missing ${folder}.sha256 && echo "$(ls | wc -l) identical"`,
  )
  if (stdout.trim() !== `${gone ? many - 1 : many} identical`)
    throw new Stop('demo: a deposit came back changed')
}

async function checkTestHsm(stack) {
  const result = await stack.run(`curl -sk ${stack.url}/test_hsm`)
  if (
    !/^"Sample Key TEST_HELLO_DEPOSIT\d{4}-\d\d-\d\d-\d{6} has been created"\s*$/.test(
      result.stdout,
    )
  ) {
    throw new Stop('demo: test_hsm did not print the sentence of the manual')
  }
}

async function labelOf(stack, handle) {
  const result = await stack.run('keyhsm keys list --json', { quiet: true })
  const key = JSON.parse(result.stdout).find((candidate) =>
    candidate.label.startsWith(`${handle}-`),
  )
  if (!key) throw new Stop(`demo: no HSM key for ${handle}`)
  return key.label
}

async function expectIrretrievable(stack, handle) {
  const result = await stack.run(`keytrustee get ${handle}`, { exit: 'any' })
  if (result.exit !== 1 || !/irretrievable/.test(result.stderr)) {
    throw new Stop(`demo: ${handle} should be irretrievable`)
  }
}

function keep(stack) {
  console.log(`\ndemo: the services go on in ${stack.home}; to use and to stop them:`)
  for (const line of stack.exports) console.log(`  ${line}`)
  const kms = options.kms ? 'keytrustee-kms stop; ' : ''
  console.log(`  ${kms}keytrustee-server stop; keyhsm stop; rm -r ${stack.home}`)
}

/** Listening TCP sockets: address → pid of its process, where we may see it. */
function listening() {
  const { stdout } = spawnSync('ss', ['-Hltnp'], { encoding: 'utf8' })
  const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/))
  return new Map(
    rows.filter((row) => row[3]).map((row) => [row[3], /pid=(\d+)/.exec(row[5] ?? '')?.[1]]),
  )
}

/** Fails when a new listener could be ours; what other programs opened meanwhile is only said. */
function checkNothingLeft(before, home) {
  const added = [...listening()].filter(([address]) => !before.has(address))
  const ours = added.filter(([, pid]) => pid === undefined || isOurs(pid, home))
  const names = (sockets) => sockets.map(([address]) => address).join(' ')
  if (ours.length > 0) throw new Stop(`demo: still listening: ${names(ours)}`)
  console.log(
    `$ ss -ltn    # ${added.length === 0 ? 'the same before and after' : `new, by other programs: ${names(added)}`}`,
  )
}

function isOurs(pid, home) {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(home)
  } catch {
    return false
  }
}
