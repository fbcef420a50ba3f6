#!/usr/bin/env node
/**
 * `npm run kms:crashes`: a KMS on the whole product, killed with SIGKILL in the middle of a purge and of an import. After each kill a
 * second instance, the first one when it starts again, or the command again, ends what was begun. Of a purge nothing may be left that opens: no deposit, no HSM
 * key; of an import everything must be there once: the same list, and data keys that were encrypted before.
 */
import { appendFileSync, chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { keyPurgeSteps } from '@keyhsm/core'
import { runMain } from '../scripts/lib/say.mjs'
import { root } from '../scripts/lib/sources.mjs'
import { freePort } from './lib/ports.mjs'
import { prepareCrashes } from './lib/crashes.mjs'
import { Stack } from './lib/stack.mjs'

/** Made by Hadoop's own provider; what it holds is no secret. */
const keystore = join(root, 'apps/kms/test/keystore/vectors/hadoop-3.4.jceks')
const keystorePassword = 'not a secret'
/** Steps of an import: each batch of versions and each description is sealed and written. */
const importSteps = ['key:sealed', 'key:written']

await runMain(async () => {
  const stack = await Stack.create()
  const crashes = prepareCrashes(stack)
  try {
    await stack.bringUp()
    const kms = await startInstances(stack)
    for (const [i, step] of keyPurgeSteps.entries())
      await killPurge({ stack, crashes, kms, step, end: i % 2 === 0 ? endByItself : endByAsking })
    await checkImports({ stack, crashes })
    const wanted = keyPurgeSteps.length + 2 * importSteps.length
    const hits = crashes.hits().length
    console.log(
      `kms crashes: ${hits} of ${wanted} kills; purge: no deposit, no HSM key left ok; import: resumed, identical list ok`,
    )
    return hits === wanted ? 0 : 1
  } finally {
    await stack.run(`keytrustee-kms --home ${stack.home}/two stop`, { exit: 'any', quiet: true })
    await stack.remove()
  }
})

/** Two instances with one identity. */
async function startInstances(stack) {
  const two = join(stack.home, 'two')
  const fingerprint = await stack.serverFingerprint()
  await stack.run(
    `keytrustee-kms init --server ${stack.url} --org demo --auth-file ${stack.authFile} --server-fingerprint ${fingerprint}`,
  )
  const one = await start(stack, stack.home)
  const bundle = `${stack.home}/keytrustee-kms/bundle`
  await stack.run(`keytrustee-kms identity --output ${bundle}`)
  mkdirSync(two, { mode: 0o755 })
  await stack.run(`keytrustee-kms --home ${two} init --join ${bundle}`)
  return [one, await start(stack, two)]
}

async function start(stack, home) {
  const port = await freePort()
  const lines = [
    'keytrustee-kms.tls=off',
    'keytrustee-kms.host=127.0.0.1',
    `keytrustee-kms.port=${port}`,
    'keytrustee-kms.cache.descriptions=0s',
  ]
  appendFileSync(join(home, 'keytrustee-kms/kms.properties'), `${lines.join('\n')}\n`)
  await stack.run(`keytrustee-kms --home ${home} start`)
  return { home, url: `http://127.0.0.1:${port}/kms/v1` }
}

async function killPurge({ stack, crashes, kms: [one, two], step, end }) {
  const name = `purged-at-${step}`
  const before = await hsmKeys(stack)
  await ask(one, 'POST', '/keys', { name })
  await ask(one, 'POST', `/key/${name}`)
  await ask(one, 'DELETE', `/key/${name}`)
  require((await hsmKeys(stack)).length === before.length + 2, 'each version has an HSM key')
  crashes.arm(step)
  const cut = await ask(one, 'POST', `/trustee/key/${name}?trusteeOp=purge`).catch(() => 'cut')
  require(cut === 'cut', `${step}: the purge was answered`)
  const undeleted = await ask(two, 'POST', `/trustee/key/${name}?trusteeOp=undelete`)
  require(undeleted.status === 500, `${step}: half of a key came back`)
  const listed = await stack.run(`keytrustee-kms --home ${two.home} keys list --deleted --json`)
  require(JSON.parse(listed.stdout)[0]?.state === 'purging', `${step}: ${listed.stdout}`)
  await end({ stack, one, two, name, step })
  const left = (await hsmKeys(stack)).filter((id) => !before.includes(id))
  require(left.length === 0, `${step}: HSM keys are left: ${left}`)
  const { stdout } = await stack.run('ktadmin deposit list --org demo --json', { quiet: true })
  const states = JSON.parse(stdout).deposits.filter(({ handle }) => handle.startsWith('kms.v.'))
  const open = states.filter(({ state }) => state !== 'purged')
  require(open.length === 0, `${step}: deposits are left: ${JSON.stringify(open)}`)
}

/** Another instance is asked again. */
async function endByAsking({ stack, one, two, name, step }) {
  const purged = await ask(two, 'POST', `/trustee/key/${name}?trusteeOp=purge`)
  require(purged.status === 200, `${step}: repeated: ${purged.status} ${purged.text}`)
  await stack.run(`keytrustee-kms --home ${one.home} start`)
}

/** The instance that was killed starts again, and nobody asks. */
async function endByItself({ stack, one, two, step }) {
  await stack.run(`keytrustee-kms --home ${one.home} start`)
  const ends = Date.now() + 30_000
  for (;;) {
    const listed = await stack.run(`keytrustee-kms --home ${two.home} keys list --deleted --json`, {
      quiet: true,
    })
    if (JSON.parse(listed.stdout).length === 0) return
    require(Date.now() < ends, `${step}: the purge was not taken up: ${listed.stdout}`)
    await sleep(250)
  }
}

/** Ids of the private keys in the token, by the HSM's own tool. */
async function hsmKeys(stack) {
  const { stdout } = await stack.run(stack.pkcs11Tool('--list-objects --type privkey'), {
    quiet: true,
  })
  return stdout.match(/^\s+ID:\s+\S+/gm) ?? []
}

/** An import that is killed while it writes versions and while it writes descriptions, each time gone on with. */
async function checkImports({ stack, crashes }) {
  const folder = join(stack.home, 'keytrustee-kms')
  const [file, secret] = [join(folder, 'old.keystore'), join(folder, 'old.password')]
  copyFileSync(keystore, file)
  writeFileSync(secret, keystorePassword)
  for (const path of [file, secret]) chmodSync(path, 0o600)
  await stack.run(`chown --reference=${folder}/kms.properties ${file} ${secret}`)
  const order = `keytrustee-kms import --jceks ${file} --password-file ${secret} --json`
  const wanted = JSON.parse((await stack.run(`${order} --dry-run`)).stdout).keys
  for (const round of [1, 2])
    for (const step of importSteps) {
      crashes.arm(step)
      const killed = await stack.run(order, { exit: 'any' })
      require(killed.exit !== 0, `round ${round}: the import was not killed at ${step}`)
    }
  const ended = JSON.parse((await stack.run(order)).stdout)
  require(ended.failed === 0, `import: ${JSON.stringify(ended)}`)
  const again = JSON.parse((await stack.run(order)).stdout)
  require(again.present === wanted.length, `import again: ${JSON.stringify(again)}`)
  const { stdout } = await stack.run('keytrustee-kms keys list --json')
  const list = (rows) =>
    rows
      .map(({ name, versions }) => `${name} ${versions}`)
      .toSorted()
      .join()
  require(list(JSON.parse(stdout)) === list(wanted), `the list differs: ${stdout}`)
  await stack.run('keytrustee-kms audit verify --moves')
}

async function ask({ url }, method, path, body) {
  const reply = await fetch(`${url}${path}${path.includes('?') ? '&' : '?'}user.name=alice`, {
    method,
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  return { status: reply.status, text: await reply.text() }
}

function require(holds, what) {
  if (!holds) throw new Error(what)
}
