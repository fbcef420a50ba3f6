/** The whole product for the two upper layers: brought up once, Key HSM restarted with each kind of key. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../interop/lib/ports.mjs'
import { Stack } from '../../interop/lib/stack.mjs'
import { editSettings } from '@keyhsm/service'
import { readLocalClient } from '@keyhsm/client'
import { pathsIn } from '../../apps/keytrustee/dist/paths.js'
import { startBareServer } from './bare-process.mjs'
import { Connection } from './connection.mjs'
import { ageMs, childrenOf, commandOf, family, readMemory } from './processes.mjs'

/** What is compared: the documented default, and one key for all deposits of each further kind. */
export const variants = [
  { scope: 'deposit', kind: 'ec-p256' },
  { scope: 'service', kind: 'rsa-2048' },
  { scope: 'service', kind: 'aes-256' },
]

const many = '1000000000'
const noQuotas = {
  'keytrustee.quota.deposits-per-client': many,
  'keytrustee.quota.deposits-per-organisation': many,
  'keytrustee.quota.hsm-keys-per-hour-per-client': many,
  'keytrustee.quota.hsm-keys-per-hour-per-organisation': many,
}

export class Services {
  /**
   * @param {import('./bench.mjs').Bench} bench
   * @param {{ module?: string }} [options] the PKCS#11 module instead of SoftHSM's
   */
  static async bringUp(bench, { module } = {}) {
    bench.begin('services: set up token, database, services and client', 15_000)
    const preload = new URL('./loop-probe.mjs', import.meta.url)
    const probe = join(bench.folder, 'loop-probe.mjs')
    writeFileSync(probe, readFileSync(preload), { mode: 0o644 })
    const env = { KEYHSM_BENCH_PROBE: bench.probeFolder, NODE_OPTIONS: `--import ${probe}` }
    // Never the default ports: somebody may be about to start the product on them.
    const ports = { keyhsm: await freePort(0), trustee: await freePort(0) }
    // Layers that need a database of their own bring up a stack each.
    bench.homes += 1
    const home = join(bench.folder, `home${bench.homes}`)
    const stack = await Stack.create({ home, env, ports, module })
    const services = new Services(bench, stack)
    bench.onEnd(() => services.#killLeft())
    bench.onEnd(() => stack.remove())
    await stack.makeToken()
    await stack.setUpKeyHsm()
    await stack.setUpTrustee()
    services.#edit('keytrustee/keytrustee.properties', noQuotas)
    await stack.start()
    await stack.join()
    await stack.addOrganisation()
    await stack.register()
    return services
  }

  constructor(bench, stack) {
    this.bench = bench
    this.stack = stack
  }

  /** Restarts Key HSM with this scope and kind, and notes how long that took. */
  async use({ scope, kind }) {
    this.bench.begin(`services: restart keyhsm for ${scope} ${kind}`, 1500)
    this.#edit('keyhsm/application.properties', {
      'keyhsm.key.scope': scope,
      'keyhsm.key.kind': kind,
    })
    await this.restartKeyHsm()
    await this.#findProcesses()
  }

  /** Stops and starts Key HSM: the whole command, and the service from its first instruction to ready. */
  async restartKeyHsm() {
    await this.stack.run('keyhsm stop', { quiet: true })
    const began = performance.now()
    const { stderr, stdout } = await this.stack.run('keyhsm start --json', { quiet: true })
    const commandMs = performance.now() - began
    const { pid } = JSON.parse(stdout || stderr)
    const serviceMs = ageMs(pid)
    const { keys } = await this.#status('keyhsm')
    this.bench.readiness.push({ commandMs, serviceMs, keys })
  }

  /** Roles for the account of CPU time, and the services whose event loop is watched. */
  get roles() {
    const { keyhsm, host, keytrustee, postgres } = this.pids
    return {
      client: () => [process.pid],
      keyhsm: () => [keyhsm],
      host: () => [host],
      keytrustee: () => [keytrustee],
      postgres: (tree) => family(postgres, tree),
    }
  }

  get loops() {
    return { keyhsm: this.pids.keyhsm, keytrustee: this.pids.keytrustee }
  }

  noteMemory(when) {
    const { keyhsm, host, keytrustee } = this.pids
    for (const [process, pid] of Object.entries({ keyhsm, host, keytrustee }))
      this.bench.memory.push({ when, process, ...readMemory(pid) })
  }

  /** What the Trustee Server sends with each request. */
  async describe() {
    const connection = await this.connectKeyHsm()
    const described = await connection.call('GET', '/v1/partition')
    connection.close()
    return described
  }

  /** A connection to Key HSM as the Trustee Server makes it. */
  connectKeyHsm() {
    const ssl = join(this.stack.home, 'keytrustee', '.ssl')
    const read = (name) => readFileSync(join(ssl, name), 'utf8')
    return Connection.open({
      host: '127.0.0.1',
      port: this.stack.ports.keyhsm,
      ca: read('ssl-cert-keyhsm.pem'),
      cert: read('ssl-cert-keytrustee-keyhsm-client.pem'),
      key: read('ssl-cert-keytrustee-keyhsm-client-pk.pem'),
    })
  }

  /** A connection to the Trustee Server as the registered client. */
  async connectTrustee() {
    const { tls } = await readLocalClient(join(this.stack.home, 'client'))
    const { ca, cert, key } = tls
    return Connection.open({ host: '127.0.0.1', port: this.stack.ports.trustee, ca, cert, key })
  }

  /**
   * The exchanges of a put without a put: a server that asks another one, as the Trustee Server does Key HSM.
   * @returns what opens a connection to it
   */
  async startBareExchanges() {
    const paths = pathsIn(join(this.stack.home, 'keytrustee'))
    const { tls: client } = await readLocalClient(join(this.stack.home, 'client'))
    const { ca, cert, key } = client
    const tls = {
      key: readFileSync(paths.serverKey, 'utf8'),
      cert: readFileSync(paths.serverCertificate, 'utf8'),
      ca: readFileSync(paths.authorityCertificate, 'utf8'),
    }
    const answer = JSON.stringify({ answer: 'x'.repeat(300) })
    const inner = await startBareServer({ tls, answers: { '/seal': answer } })
    this.bench.onEnd(() => inner.stop())
    const asks = { port: inner.port, ca, cert, key, path: '/seal', body: { seal: 'x'.repeat(300) } }
    const outer = await startBareServer({ tls, answers: { '/put': answer }, asks })
    this.bench.onEnd(() => outer.stop())
    return () => Connection.open({ host: '127.0.0.1', port: outer.port, ca, cert, key })
  }

  /** What the product's own commands did not stop, because they failed. */
  #killLeft() {
    for (const pid of Object.values(this.pids ?? {})) {
      if (commandOf(pid).includes(this.stack.home)) process.kill(pid, 'SIGKILL')
    }
  }

  async #findProcesses() {
    const { pid: keyhsm } = await this.#status('keyhsm')
    const { pid: keytrustee } = await this.#status('ktadmin')
    const [host] = childrenOf(keyhsm)
    const postmaster = join(this.stack.home, 'keytrustee', 'db', 'data', 'postmaster.pid')
    const postgres = Number(readFileSync(postmaster, 'utf8').split('\n')[0])
    this.pids = { keyhsm, host, keytrustee, postgres }
  }

  async #status(command) {
    const { stdout } = await this.stack.run(`${command} status --json`, { quiet: true })
    return JSON.parse(stdout)
  }

  /** Rewrites a settings file in place: it keeps its owner. */
  #edit(name, changes) {
    const file = join(this.stack.home, name)
    writeFileSync(file, editSettings(readFileSync(file, 'utf8'), changes))
  }
}
