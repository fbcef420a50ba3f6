/**
 * The way in and out: keys of Hadoop's own KMS come to ours over the network (simple and Kerberos) and as its keystore, and leave in a
 * keystore that Hadoop reads. Each time `hadoop key list -metadata` is the same, and what was encrypted with the old keys opens.
 */
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { prepareCrashes } from '../lib/crashes.mjs'
import { clientPath, folder, runJava } from './lib/java.mjs'
import { realm, startKdc } from './lib/kdc.mjs'
import { startOurKms } from './lib/our-kms.mjs'
import { startRealKms } from './lib/real-kms.mjs'

const password = 'moving-keystore'
/** What the keys of the old KMS are; every one is rolled `rolls` times, and something is encrypted with each version. */
const keys = [
  { name: 'plain', length: 128, rolls: 0 },
  { name: 'rolled', length: 256, rolls: 3, description: 'with a description' },
  {
    name: 'zone/with%+näme',
    length: 192,
    rolls: 1,
    attributes: { a: 'b', 'key.acl.name': 'plain' },
  },
]

/** The line that says what held. @throws Error naming what did not. */
export async function moving() {
  const env = { HADOOP_KEYSTORE_PASSWORD: password }
  const kdc = await startKdc(['HTTP/localhost', 'alice'])
  let real
  let ours
  try {
    real = await startRealKms({ env })
    const eeks = await fill(real.url)
    const before = await look(providerOf(real.url), eeks)
    ours = await startOurKms()
    const importing = importer(ours)
    const kills = await killImports(ours, real)
    await checkSimple(importing, real)
    same(before, await look(providerOf(ours.url), eeks), 'after import --from-kms')
    await purge(ours, 'rolled')
    await real.stop({ keep: true })
    real = await startRealKms({ env, home: real.home, ...kerberosOf(kdc) })
    await checkKerberos(importing, { real, kdc, home: ours.home })
    same(before, await look(providerOf(ours.url), eeks), 'after import with Kerberos')
    for (const { name } of keys) await purge(ours, name)
    await checkKeystore(importing, { real, home: ours.home })
    same(before, await look(providerOf(ours.url), eeks), 'after import --jceks')
    const file = await exportKeystore(ours)
    same(before, await look(`jceks://file${file}`, eeks, env), 'of the exported keystore')
    return `moving: simple kerberos jceks export ok (${keys.length} keys, ${eeks.length} encrypted keys, ${kills} imports killed)`
  } finally {
    await ours?.stop()
    await real?.stop()
    await kdc.stop()
  }
}

/** Makes the keys, and an encrypted key with each version. */
async function fill(url) {
  const ask = async (path, body) => {
    const init = body && {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }
    const reply = await fetch(
      `${url}/v1${path}${path.includes('?') ? '&' : '?'}user.name=alice`,
      init,
    )
    if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`)
    return reply.json()
  }
  const eeks = []
  for (const { rolls, ...key } of keys) {
    const at = `/key/${encodeURIComponent(key.name)}`
    await ask('/keys', key)
    for (let version = 0; version <= rolls; version += 1) {
      if (version > 0) {
        await ask(at, {})
        await fetch(`${url}/v1${at}/_invalidatecache?user.name=alice`, { method: 'POST' })
      }
      const [eek] = await ask(`${at}/_eek?eek_op=generate&num_keys=1`)
      eeks.push([key.name, eek.versionName, eek.iv, eek.encryptedKeyVersion.material].join('\t'))
    }
  }
  return eeks
}

/** Everything that Hadoop's tools say of the provider, in an order of ours. */
async function look(provider, eeks, env = {}) {
  const out = await runJava(clientPath(), [join(folder, 'java/MovingDriver.java'), provider], {
    input: `${eeks.join('\n')}\n`,
    env,
  })
  const lines = out.trim().split('\n').slice(1).sort()
  require(lines.length === keys.length + eeks.length, `what Hadoop says: ${out}`)
  return lines
}

/** Runs import with a report in JSON. */
function importer({ stack }) {
  return async (command, exit = 0) => {
    const { stdout } = await stack.run(`${command} --json`, { exit })
    return JSON.parse(stdout)
  }
}

/** The command is killed while it writes; what it began is gone on with by the next. */
async function killImports({ stack }, { url }) {
  const crashes = prepareCrashes(stack)
  const steps = ['key:sealed', 'key:written']
  for (const step of steps) {
    crashes.arm(step)
    const from = `keytrustee-kms import --from-kms ${providerOf(url)} --user alice --key rolled`
    const { exit } = await stack.run(from, { exit: 'any' })
    require(exit !== 0, `the import was not killed at ${step}`)
  }
  require(crashes.hits().length === steps.length, `kills: ${crashes.hits()}`)
  return steps.length
}

async function checkSimple(importing, { url }) {
  const from = `keytrustee-kms import --from-kms ${providerOf(url)} --user alice`
  requireCounts(await importing(`${from} --dry-run`), { imported: 3, dryRun: true })
  requireCounts(await importing(`${from} --key plain`), { imported: 1 })
  requireCounts(await importing(from), { imported: 2, present: 1, versions: 7 })
  requireCounts(await importing(from), { present: 3 })
  const refused = await importing(
    `keytrustee-kms import --from-kms ${providerOf(url)} --user bob`,
    1,
  )
  require(refused.failed === 3 && /GET_KEY_VERSIONS/.test(refused.keys[0].reason), 'bob may not')
}

async function checkKerberos(importing, { real, kdc, home }) {
  const keytab = join(home, 'alice.keytab')
  copyFileSync(kdc.keytab('alice'), keytab)
  const uri = providerOf(real.url).replace('127.0.0.1', 'localhost')
  process.env.KRB5_CONFIG = kdc.env.KRB5_CONFIG
  const from = `keytrustee-kms import --from-kms ${uri} --keytab ${keytab} --principal alice@${realm}`
  requireCounts(await importing(from), { imported: 1, present: 2 })
}

async function checkKeystore(importing, { real, home }) {
  const [keystore, secret] = [join(home, 'old.keystore'), join(home, 'old.password')]
  copyFileSync(real.keystore, keystore)
  writeFileSync(secret, `${password}\n`)
  chmodSync(secret, 0o600)
  const from = `keytrustee-kms import --jceks ${keystore} --password-file ${secret}`
  requireCounts(await importing(from), { imported: 3, versions: 7 })
  requireCounts(await importing(from), { present: 3 })
}

async function exportKeystore({ stack, home }) {
  const file = join(home, 'client', 'exported.jceks')
  const order = `keytrustee-kms export --jceks ${file} --password-file ${home}/old.password`
  await stack.run(order, { exit: 77 })
  await stack.run(`echo keytrustee-kms.keystore.export=true >> ${home}/kms.properties`)
  await stack.run(order)
  await stack.run('keytrustee-kms audit verify --moves')
  return file
}

async function purge({ stack, url }, name) {
  const at = `${url}/v1/key/${encodeURIComponent(name)}`
  await fetch(`${at}?user.name=alice`, { method: 'DELETE' })
  await fetch(`${at}/_invalidatecache?user.name=alice`, { method: 'POST' })
  await stack.run(`keytrustee-kms keys purge --yes '${name}'`)
}

function kerberosOf(kdc) {
  const at = 'hadoop.kms.authentication'
  return {
    properties: {
      [`${at}.type`]: 'kerberos',
      [`${at}.kerberos.principal`]: 'HTTP/localhost',
      [`${at}.kerberos.keytab`]: kdc.keytab('HTTP/localhost'),
    },
    java: [`-Djava.security.krb5.conf=${kdc.env.KRB5_CONFIG}`],
  }
}

function providerOf(url) {
  return url.replace('http://', 'kms://http@')
}

function requireCounts(report, wanted) {
  for (const [name, value] of Object.entries(wanted))
    require(report[name] === value, `import: ${name} is not ${value}: ${JSON.stringify(report)}`)
  require(report.failed === 0, `import: ${JSON.stringify(report)}`)
}

function same(before, after, when) {
  const differs = before.findIndex((line, i) => line !== after[i])
  require(differs === -1, `${when}: expected ${before[differs]}, got ${after[differs]}`)
}

function require(holds, what) {
  if (!holds) throw new Error(what)
}
