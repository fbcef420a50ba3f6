/** A Key HSM and a Trustee Server on one machine; each step is the command that an operator types. */
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { childrenOf, isAlive, kill } from '../faults/lib/processes.mjs'
import { setLine } from '../lib/setting-lines.mjs'
import { Shell } from '../lib/shell.mjs'
import { fingerprintOf, softhsmModule } from '../lib/stack.mjs'
import { idsOf } from './identities.mjs'

const usualPorts = { keyhsm: 9090, management: 9899, trustee: 11371 }

export class ServerPair {
  /** @param {{ name: string, home: string, network: import('./network.mjs').Network, env: Record<string, string>, pinFile: string,
   *   ports?: typeof usualPorts, settings?: Record<string, string> }} o */
  constructor({ name, home, network, env, pinFile, ports = usualPorts, settings = {} }) {
    this.ports = ports
    this.name = name
    this.home = join(home, name)
    this.network = network
    this.pinFile = pinFile
    this.settings = settings
    mkdirSync(this.home, { mode: 0o755 })
    this.shell = new Shell({ env: { ...env, KEYHSM_HOME: this.home }, cwd: this.home })
  }

  get url() {
    return `https://${this.network.address(this.name)}:${this.ports.trustee}`
  }

  get fingerprint() {
    return fingerprintOf(join(this.home, 'keytrustee/.ssl/ssl-cert-keytrustee.pem'))
  }

  run(command, options) {
    return this.shell.run(`${this.network.on(this.name).join(' ')} ${command}`, options)
  }

  /** The first of the installation. */
  async makeFirst(databases) {
    await this.run(`ktadmin init ${this.#listen()}`)
    const url = `postgresql://keytrustee@${databases.hosts}/keytrustee`
    await this.run(`ktadmin db bootstrap --url ${url} ${this.#databaseFiles(databases)}`)
    await this.#begin()
  }

  /** One more: a token of the first is all it is given. */
  async join(first) {
    const { stdout } = await first.run('ktadmin join-token --valid 10m', { quiet: true })
    const token = join(this.home, 'token')
    writeFileSync(token, stdout, { mode: 0o600 })
    await this.run(`ktadmin join --server ${first.url} --token-file ${token} ${this.#listen()}`)
    await this.#begin()
  }

  /** One more, on another host, out of a backup; `what` are the arguments of the restore. */
  async restoreFrom(what) {
    await this.run(`ktadmin restore ${what} ${this.#place()}`)
    await this.#begin()
  }

  #listen() {
    const address = this.network.address(this.name)
    return `${this.#place()} --external-address ${address}`
  }

  #place() {
    return `--address ${this.network.address(this.name)} --port ${this.ports.trustee}`
  }

  #databaseFiles(databases) {
    const file = join(this.home, 'database.password')
    writeFileSync(file, databases.passwords.keytrustee, { mode: 0o600 })
    if (process.getuid() === 0) chownSync(file, ...idsOf('keytrustee'))
    const authority = databases.authority === undefined ? '' : ` --ca-file ${databases.authority}`
    return `--password-file ${file}${authority}`
  }

  async #begin() {
    for (const [name, value] of Object.entries(this.settings))
      setLine(this, name, value, 'keytrustee/keytrustee.properties')
    await this.run(
      `keyhsm setup softhsm --library ${softhsmModule} --token-label keytrustee --pin-file ${this.pinFile} --port ${this.ports.keyhsm} --management-port ${this.ports.management} --service-port 0`,
    )
    const settings = join(this.home, 'keyhsm/application.properties')
    writeFileSync(
      settings,
      `${readFileSync(settings, 'utf8').trimEnd()}\nkeyhsm.key.scope=service\n`,
    )
    await this.run(
      `keyhsm trust ${this.home}/keytrustee/.ssl/ssl-cert-keytrustee-keyhsm-client.pem --realm default`,
    )
    await this.start()
    const { stdout } = await this.run('keyhsm status --json', { quiet: true })
    const fingerprint = JSON.parse(stdout).certificateFingerprint
    await this.run(
      `ktadmin keyhsm --server https://127.0.0.1:${this.ports.keyhsm} --trust --fingerprint ${fingerprint}`,
    )
  }

  /** What does not run. */
  async start() {
    if (this.pid('keyhsm') === undefined) await this.run('keyhsm start')
    if (this.pid('keytrustee-server') === undefined) await this.run('keytrustee-server start')
  }

  pid(service) {
    const folder = service === 'keyhsm' ? 'keyhsm' : 'keytrustee'
    const file = join(this.home, folder, 'run', `${service}.pid`)
    const pid = existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : undefined
    return pid !== undefined && isAlive(pid) ? pid : undefined
  }

  async kill(service) {
    const pid = this.pid(service)
    if (pid !== undefined) await kill(pid)
  }

  /** The process that holds the HSM's library. */
  async killHost() {
    const [pid] = childrenOf(this.pid('keyhsm'))
    if (pid === undefined) throw new Error(`${this.name} has no HSM process`)
    await kill(pid)
  }

  /** For good: a command that comes later is not run. */
  async stop() {
    await this.shell.close()
    for (const command of ['keytrustee-server stop', 'keyhsm stop'])
      await this.run(command, { exit: 'any', quiet: true, last: true })
    for (const service of ['keytrustee-server', 'keyhsm']) await this.kill(service)
  }

  /** A registered client, in a folder that a program of this user can read. */
  async register(folder, servers) {
    const { stdout } = await this.run('ktadmin org add demo --json', { quiet: true })
    const auth = join(this.home, 'auth')
    writeFileSync(auth, JSON.parse(stdout).authSecret, { mode: 0o600 })
    const urls = servers.map(({ url }) => url).join(',')
    const fingerprints = servers.map(({ fingerprint }) => fingerprint).join(',')
    await this.run(
      `keytrustee register --home ${folder} --server ${urls} --server-fingerprint ${fingerprints} --org demo --auth-file ${auth} --clientname worker`,
    )
    chmodSync(folder, 0o700)
    return join(folder, 'client')
  }
}
