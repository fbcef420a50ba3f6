/**
 * The whole product with real parts in one home: a SoftHSM token, Key HSM, PostgreSQL, Trustee Server, a client. Each
 * step is the command that a user types. The demo, `npm start`, the scripts, the fault and crash tests share it.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { spawnSync } from 'node:child_process'
import { kill } from './crashes.mjs'
import { freePort } from './ports.mjs'
import { copyPrepared, findPrepared } from './prepared-home.mjs'
import { programRoot } from './program-root.mjs'
import { findSecrets } from './secret-search.mjs'
import { quote, Shell } from './shell.mjs'
import { fell, stands } from './standing.mjs'

const checkout = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const modules = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
]
export const softhsmModule = modules.find((path) => existsSync(path)) ?? modules[0]

/** What the scripts call things; nothing of it is secret but the PINs, which are random and live in files. */
export const names = { token: 'keytrustee', realm: 'default', organisation: 'demo' }

export class Stack {
  /** @type {Promise<void> | undefined} asked for by a `finally` and by a signal, it is done once */
  #removal

  /**
   * Takes free ports; `usualPorts` the ones that users know, where they are free (tests run side by side with others).
   * @param {{ home?: string, print?: (line: string) => void, env?: Record<string, string>, usualPorts?: boolean,
   *   module?: string, ports?: { keyhsm?: number, management?: number, trustee?: number } }} options
   */
  static async create({ home, print, env = {}, ports = {}, module, usualPorts = false } = {}) {
    const folder = home ?? mkdtempSync(join(tmpdir(), 'keyhsm-'))
    mkdirSync(folder, { recursive: true })
    chmodSync(folder, 0o755)
    const chosen = {
      keyhsm: ports.keyhsm ?? (await freePort(usualPorts ? 9090 : 0)),
      management: ports.management ?? (await freePort(usualPorts ? 9899 : 0)),
      trustee: ports.trustee ?? (await freePort(usualPorts ? 11371 : 0)),
    }
    const stack = new Stack(folder, chosen, { print, env, module })
    if (home === undefined) stands(stack)
    return stack
  }

  constructor(home, ports, { print, env, module = softhsmModule }) {
    this.home = home
    this.ports = ports
    this.module = module
    this.isRoot = process.getuid() === 0
    this.program = programRoot(checkout, home)
    this.env = {
      PATH: `${this.program}/bin:${process.env.PATH}`,
      KEYHSM_HOME: home,
      SOFTHSM2_CONF: join(home, 'softhsm2.conf'),
      ...env,
    }
    this.shell = new Shell({ env: this.env, cwd: home, print })
    this.run = this.shell.run.bind(this.shell)
    /** @type {{ name: string, value: string }[]} what must be in no file and no output when the home is removed */
    this.marks = [{ name: 'the marked content', value: `MARK${randomBytes(16).toString('hex')}` }]
    /** @type {(() => void) | undefined} changes settings that exist by then */
    this.beforeStart = undefined
    this.pinFile = join(home, 'pin')
    this.authFile = join(home, 'auth')
  }

  /** A content to deposit, which must be found nowhere afterwards. */
  get secret() {
    return Buffer.from(this.marks[0].value)
  }

  get url() {
    return `https://127.0.0.1:${this.ports.trustee}`
  }

  /** Prefix that runs the HSM's own tools as the user whose token it is. */
  get asKeyHsm() {
    return this.isRoot ? 'runuser -u keyhsm -- ' : ''
  }

  /** Lines to paste into a shell that shall talk to this stack. */
  get exports() {
    return Object.entries({ ...this.env, PATH: `${this.program}/bin:$PATH` }).map(
      ([name, value]) => `export ${name}=${name === 'PATH' ? `"${value}"` : quote(value)}`,
    )
  }

  pkcs11Tool(args) {
    return `${this.asKeyHsm}pkcs11-tool --module ${softhsmModule} --token-label ${names.token} --login --pin "$(cat ${this.pinFile})" ${args}`
  }

  /** A fresh SoftHSM token; its PINs are made here and given by file. */
  async makeToken({ pin = randomPin(), label = names.token } = {}) {
    const tokens = join(this.home, 'tokens')
    mkdirSync(tokens, { recursive: true, mode: 0o700 })
    if (this.isRoot) chownSync(tokens, ...idsOf('keyhsm'))
    writeFileSync(
      this.env.SOFTHSM2_CONF,
      `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`,
    )
    chmodSync(this.env.SOFTHSM2_CONF, 0o644)
    const soPin = randomPin()
    this.marks.push({ name: 'the PIN', value: pin }, { name: "the SO's PIN", value: soPin })
    writeFileSync(this.pinFile, pin, { mode: 0o600 })
    writeFileSync(`${this.pinFile}.so`, soPin, { mode: 0o600 })
    await this.run(
      `${this.asKeyHsm}softhsm2-util --init-token --free --label ${label} --pin "$(cat ${this.pinFile})" --so-pin "$(cat ${this.pinFile}.so)"`,
    )
  }

  /** Another token beside the first, with the same PINs: the partition of a further HSM. */
  async makeFurtherToken(label) {
    const pins = `--pin "$(cat ${this.pinFile})" --so-pin "$(cat ${this.pinFile}.so)"`
    await this.run(`${this.asKeyHsm}softhsm2-util --init-token --free --label ${label} ${pins}`)
  }

  async setUpKeyHsm(extra = '') {
    await this.run(
      `keyhsm setup softhsm --library ${this.module} --token-label ${names.token} --pin-file ${this.pinFile} --port ${this.ports.keyhsm} --management-port ${this.ports.management} --service-port 0${extra}`,
    )
  }

  async setUpTrustee() {
    await this.run(`ktadmin init --address 127.0.0.1 --port ${this.ports.trustee}`)
    await this.run('ktadmin db bootstrap')
    await this.run(
      `keyhsm trust ${this.home}/keytrustee/.ssl/ssl-cert-keytrustee-keyhsm-client.pem --realm ${names.realm}`,
    )
  }

  async start() {
    this.beforeStart?.()
    await this.startKeyHsm()
    await this.run('keytrustee-server start')
  }

  async startKeyHsm() {
    await this.run('keyhsm start')
  }

  async join() {
    await this.run(
      `ktadmin keyhsm --server https://127.0.0.1:${this.ports.keyhsm} --trust --fingerprint ${await this.keyHsmFingerprint()}`,
    )
  }

  async addOrganisation(name = names.organisation) {
    const result = await this.run(`ktadmin org add ${name} --json`, { quiet: true })
    const { authSecret } = JSON.parse(result.stdout)
    this.marks.push({ name: 'the auth secret', value: authSecret })
    writeFileSync(this.authFile, authSecret, { mode: 0o600 })
  }

  async register({ client = 'client', organisation = names.organisation } = {}) {
    const fingerprint = await this.serverFingerprint()
    await this.run(
      `keytrustee register --server ${this.url} --org ${organisation} --auth-file ${this.authFile} --server-fingerprint ${fingerprint} --clientname ${client}`,
    )
  }

  async serverFingerprint() {
    return fingerprintOf(join(this.home, 'keytrustee/.ssl/ssl-cert-keytrustee.pem'))
  }

  async keyHsmFingerprint() {
    const result = await this.run('keyhsm status --json', { quiet: true })
    return JSON.parse(result.stdout).certificateFingerprint
  }

  /** Everything from an empty folder to a registered client; from a copy where `npm test` has prepared one. */
  async bringUp() {
    const prepared = findPrepared()
    if (prepared) return await this.#startCopy(prepared)
    await this.makeToken()
    await this.setUpKeyHsm()
    await this.setUpTrustee()
    await this.start()
    await this.join()
    await this.addOrganisation()
    await this.register()
  }

  async #startCopy(folder) {
    copyPrepared(folder, this)
    const read = (file) => readFileSync(file, 'utf8').trim()
    this.marks.push(
      { name: 'the PIN', value: read(this.pinFile) },
      { name: "the SO's PIN", value: read(`${this.pinFile}.so`) },
      { name: 'the auth secret', value: read(this.authFile) },
    )
    await this.start()
  }

  async stop({ quiet = false, last = false } = {}) {
    const kms = existsSync(join(this.home, 'keytrustee-kms')) ? ['keytrustee-kms stop'] : []
    for (const command of [...kms, 'keytrustee-server stop', 'keyhsm stop']) {
      await this.run(command, { exit: 'any', quiet, last })
    }
  }

  /** Stops what still runs and removes the home. @throws Error naming what did not stop, or each place of it that holds a secret. */
  remove() {
    fell(this)
    this.#removal ??= this.#remove()
    return this.#removal
  }

  async #remove() {
    await this.shell.close()
    await this.stop({ quiet: true, last: true })
    await this.#stopOrphan()
    const killed = ['keytrustee-server', 'keyhsm'].filter((service) => kill(this, service))
    const places = findSecrets({ home: this.home, marks: this.marks, texts: this.shell.said })
    rmSync(this.home, { recursive: true, force: true })
    if (killed.length > 0) throw new Error(`did not stop and were killed: ${killed.join(', ')}`)
    if (places.length > 0) throw new Error(`secrets where none may be: ${places.join('; ')}`)
  }

  /** The database of a server that was killed runs on, for the next start to take it over; here none comes. */
  async #stopOrphan() {
    if (!existsSync(join(this.home, 'keytrustee/db/data/postmaster.pid'))) return
    await this.run('ktadmin db stop', { exit: 'any', quiet: true, last: true })
  }
}

function randomPin() {
  return randomBytes(9).toString('base64url')
}

function idsOf(user) {
  const [uid, gid] = ['-u', '-g'].map((flag) =>
    Number(spawnSync('id', [flag, user], { encoding: 'utf8' }).stdout),
  )
  return [uid, gid]
}

/** SHA-256 of a certificate file, as openssl prints it. */
export function fingerprintOf(file) {
  const result = spawnSync('openssl', ['x509', '-in', file, '-noout', '-fingerprint', '-sha256'], {
    encoding: 'utf8',
  })
  return result.stdout.split('=')[1]?.trim().replaceAll(':', '').toLowerCase()
}
