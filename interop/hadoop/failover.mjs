/** Two instances behind one provider URI, with HTTPS; each is killed in the middle of creates, rolls and deletes that the client then repeats. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyChangeSteps } from '@keyhsm/core'
import { freePort } from '../lib/ports.mjs'
import { Stack } from '../lib/stack.mjs'
import { clientPath, folder, startJava } from './lib/java.mjs'

const hosts = ['127.0.0.1', '127.0.0.2']
const deadlineMs = 300_000

/** The line that says what held. @throws Error with what the driver said. */
export async function failover() {
  const crash = mkdtempSync(join(tmpdir(), 'kms-crash-'))
  chmodSync(crash, 0o777)
  const preload = join(crash, 'crash-at.mjs')
  copyFileSync(join(folder, '../lib/crash-at.mjs'), preload)
  chmodSync(preload, 0o644)
  const env = { KEYHSM_CRASH_DIR: crash, NODE_OPTIONS: `--import ${preload}` }
  const stack = await Stack.create({ env })
  try {
    await stack.bringUp()
    const cluster = await startInstances(stack)
    const out = await drive({ ...cluster, stack, crash })
    const hits = readFileSync(join(crash, 'hits'), 'utf8').trim().split('\n').length
    if (!out.includes('failover ok') || hits !== 3 * keyChangeSteps.length)
      throw new Error(`${hits} crashes: ${out.slice(-4000)}`)
    await requireDeletedOnce(stack)
    return `failover: https, two instances, ${hits} of ${hits} crashes leave one version or none, one gone ok`
  } finally {
    await stack.run(`keytrustee-kms --home ${stack.home}/two stop`, { exit: 'any', quiet: true })
    await stack.remove()
    rmSync(crash, { recursive: true, force: true })
  }
}

/** However often the client asked: the key of each step was deleted once, and can be undeleted. */
async function requireDeletedOnce(stack) {
  const { stdout } = await stack.run('keytrustee-kms keys list --deleted --json', { quiet: true })
  const names = JSON.parse(stdout).map(({ name }) => name)
  const wanted = keyChangeSteps.map((_, i) => `crash${i + 1}`)
  if (names.sort().join() !== wanted.join()) throw new Error(`deleted: ${names.join()}`)
}

/** Both on one port, on addresses of their own: Hadoop's URI has one port for all. */
async function startInstances(stack) {
  const port = await freePort()
  const two = join(stack.home, 'two')
  const fingerprint = await stack.serverFingerprint()
  const names = hosts.map((host) => `--host ${host}`).join(' ')
  const common = `--port ${port} ${names}`
  await stack.run(
    `keytrustee-kms init --server ${stack.url} --org demo --auth-file ${stack.authFile} --server-fingerprint ${fingerprint} ${common}`,
  )
  await startAt(stack, stack.home, hosts[0])
  const bundle = `${stack.home}/keytrustee-kms/bundle`
  await stack.run(`keytrustee-kms identity --output ${bundle}`)
  mkdirSync(two, { mode: 0o755 })
  await stack.run(`keytrustee-kms --home ${two} init --join ${bundle} ${common}`)
  await startAt(stack, two, hosts[1])
  return { port, homes: [stack.home, two] }
}

async function startAt(stack, home, host) {
  const settings = `${home}/keytrustee-kms/kms.properties`
  await stack.run(`echo keytrustee-kms.host=${host} >> ${settings}`)
  await stack.run(`keytrustee-kms --home ${home} start`)
}

function drive({ stack, crash, port, homes }) {
  const conf = trustOf(crash, homes)
  const driver = join(folder, 'java/FailoverDriver.java')
  const args = [driver, `kms://https@${hosts.join(';')}:${port}/kms`, ...keyChangeSteps]
  const child = startJava([conf, ...clientPath()], args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const orders = {
    arm: (step) => writeFileSync(join(crash, 'armed'), step),
    revive: () => revive(stack, homes),
    kill: () => process.kill(pidOf(homes[0]), 'SIGKILL'),
  }
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
    let [out, err] = ['', '']
    child.stderr.on('data', (chunk) => (err = (err + chunk).slice(-4000)))
    child.stdout.on('data', (chunk) => {
      out += chunk
      const [, order, argument] = /PLEASE (\w+) ?(\S*)\s*$/.exec(out) ?? []
      if (!order) return
      Promise.resolve(orders[order](argument)).then(() => child.stdin.write('\n'), reject)
    })
    child.on('error', reject)
    child.on('close', () => {
      clearTimeout(timer)
      resolve(`${out}\n${err}`)
    })
  })
}

/** Whoever was killed is started again, as an operator or systemd would. */
async function revive(stack, homes) {
  for (const home of homes)
    if (!isAlive(pidOf(home))) await stack.run(`keytrustee-kms --home ${home} start`)
}

/** A process that nobody has waited for yet has no command line any more. */
function isAlive(pid) {
  const file = `/proc/${pid}/cmdline`
  return existsSync(file) && readFileSync(file, 'utf8') !== ''
}

function pidOf(home) {
  const file = join(home, 'keytrustee-kms/run/keytrustee-kms.pid')
  return Number(/\d+/.exec(readFileSync(file, 'utf8'))?.[0])
}

/** A folder with ssl-client.xml and a truststore of both certificates. */
function trustOf(crash, homes) {
  const conf = join(crash, 'conf')
  const store = join(conf, 'trust.p12')
  mkdirSync(conf)
  for (const [index, home] of homes.entries()) {
    const file = join(home, 'keytrustee-kms/tls/kms.pem')
    const args = ['-importcert', '-noprompt', '-alias', `kms${index}`, '-file', file]
    const common = ['-keystore', store, '-storetype', 'PKCS12', '-storepass', 'for-a-minute']
    const result = spawnSync('keytool', [...args, ...common], { encoding: 'utf8' })
    if (result.status !== 0) throw new Error(`keytool: ${result.stdout}${result.stderr}`)
  }
  const values = { location: store, password: 'for-a-minute', type: 'PKCS12' }
  const lines = Object.entries(values).map(
    ([name, value]) =>
      `<property><name>ssl.client.truststore.${name}</name><value>${value}</value></property>`,
  )
  writeFileSync(join(conf, 'ssl-client.xml'), `<configuration>${lines.join('')}</configuration>`)
  return conf
}
