/** PostgreSQL as primary and synchronous standby, each on a machine of its own, with the distribution's programs. */
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, kill } from '../faults/lib/processes.mjs'
import { idsOf, makeCertificates } from './identities.mjs'

export class Databases {
  /** @param {{ home: string, network: import('./network.mjs').Network, names: string[] }} o */
  constructor({ home, network, names }) {
    this.home = join(home, 'databases')
    this.network = network
    this.names = names
    this.bin = findBinaries()
    this.owner = idsOf('postgres')
    this.primary = names[0]
    this.passwords = { keytrustee: secret(), replicator: secret(), rewinder: secret() }
  }

  get standby() {
    return this.names.find((name) => name !== this.primary)
  }

  /** `host,host` of a URL. */
  get hosts() {
    return this.names.map((name) => this.network.address(name)).join(',')
  }

  get authority() {
    return join(this.home, 'ca.pem')
  }

  make() {
    mkdirSync(this.home, { mode: 0o755 })
    chownSync(this.home, ...this.owner)
    makeCertificates(
      this.home,
      this.names.map((name) => [name, this.network.address(name)]),
    )
    for (const name of this.names) chownSync(join(this.home, `${name}.key`), ...this.owner)
    this.#writePassfile()
    this.#as(
      `${this.bin}/initdb`,
      '-D',
      this.#data(this.primary),
      '-k',
      '-A',
      'peer',
      '-E',
      'UTF8',
      '--no-locale',
    )
    writeFileSync(join(this.#data(this.primary), 'pg_hba.conf'), hba)
    this.start(this.primary)
    this.#prepareRoles()
    this.#copy(this.standby, this.primary)
    this.start(this.standby)
  }

  /** What a killed one left behind may hold its memory for a moment. */
  start(name, settings = {}) {
    for (let tries = 20; this.pid(name) === undefined; tries -= 1) {
      try {
        this.#start(name, settings)
      } catch (error) {
        if (tries === 0) throw new Error(this.#lastWords(name), { cause: error })
        execFileSync('sleep', ['0.5'])
      }
    }
  }

  #lastWords(name) {
    const log = readFileSync(join(this.home, `${name}.log`), 'utf8')
    return `${name} does not start:\n${log.split('\n').slice(-12).join('\n')}`
  }

  #start(name, settings = {}) {
    this.#pgctl(
      name,
      'start',
      '-w',
      '-t',
      '60',
      '-l',
      join(this.home, `${name}.log`),
      '-o',
      this.#options(name, settings),
    )
  }

  /** Immediately, as a crash does; nothing when it does not run. */
  stop(name) {
    if (this.pid(name) !== undefined) this.#pgctl(name, 'stop', '-m', 'immediate', '-w', '-t', '30')
  }

  pid(name) {
    const file = join(this.#data(name), 'postmaster.pid')
    const pid = existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : undefined
    return pid !== undefined && isAlive(pid) ? pid : undefined
  }

  async kill(name) {
    const pid = this.pid(name)
    await kill(pid)
    if (pid === undefined || (await isReaped(pid, 3_000))) return
    // PostgreSQL takes a dead process that nobody has reaped for a living one. Its children are gone by now.
    const socket = join(this.home, `${name}.run`, '.s.PGSQL.5432.lock')
    for (const lock of [socket, join(this.#data(name), 'postmaster.pid')])
      rmSync(lock, { force: true })
  }

  /** The standby becomes the primary; the other one is not asked and may still believe it is. */
  promote() {
    const next = this.standby
    this.#pgctl(next, 'promote', '-w', '-t', '30')
    this.primary = next
  }

  /** What the server at `url` wrote last is so much older than it is. */
  ageBeats(url, seconds) {
    const age = `update keytrustee.nodes set beat_at = beat_at - interval '${seconds} s' where url = '${url}'`
    this.#sql(this.primary, `\\c keytrustee\n${age}`)
  }

  /** What was the primary before follows the new one: rewound where that works, copied anew else. @returns which */
  rebuild() {
    const name = this.standby
    this.stop(name)
    // Else pg_rewind may read the timeline before the promotion from the control file.
    this.#sql(this.primary, 'checkpoint')
    if (this.#rewind(name) && this.#follows(name)) return 'pg_rewind'
    rmSync(this.#data(name), { recursive: true, force: true })
    this.#copy(name, this.primary)
    if (!this.#follows(name)) throw new Error(this.#lastWords(name))
    return 'pg_basebackup'
  }

  /** The primary asks nobody to confirm from now on, whatever it was started with. */
  forgetStandbys() {
    this.stop(this.primary)
    this.start(this.primary, { synchronous_standby_names: '' })
  }

  #follows(name) {
    const signal = join(this.#data(name), 'standby.signal')
    writeFileSync(signal, '')
    chownSync(signal, ...this.owner)
    try {
      this.#start(name)
      return true
    } catch {
      return false
    }
  }

  #rewind(name) {
    // After a crash the data directory must have been recovered once before it can be rewound; pg_rewind does that itself.
    const source = `host=${this.network.address(this.primary)} user=rewinder dbname=postgres sslmode=require passfile=${this.home}/pgpass`
    const result = this.#try(
      name,
      `${this.bin}/pg_rewind`,
      '-D',
      this.#data(name),
      `--source-server=${source}`,
    )
    return result.status === 0
  }

  #copy(name, from) {
    const source = `host=${this.network.address(from)} user=replicator sslmode=require passfile=${this.home}/pgpass`
    this.#on(
      name,
      `${this.bin}/pg_basebackup`,
      '-d',
      source,
      '-D',
      this.#data(name),
      '-c',
      'fast',
      '-R',
    )
  }

  #prepareRoles() {
    const { keytrustee, replicator, rewinder } = this.passwords
    for (const line of [
      `create role keytrustee login password '${keytrustee}'`,
      `create role replicator login replication password '${replicator}'`,
      `create role rewinder login superuser password '${rewinder}'`,
      `create database keytrustee owner keytrustee`,
    ])
      this.#sql(this.primary, line)
  }

  #writePassfile() {
    const lines = Object.entries(this.passwords).map(
      ([user, password]) => `*:*:*:${user}:${password}`,
    )
    const file = join(this.home, 'pgpass')
    writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 })
    chownSync(file, ...this.owner)
  }

  /** Everything that differs between the two is given here: a rewind copies the files of the other. */
  #options(name, other = {}) {
    const others = this.names
      .filter((other) => other !== name)
      .map((other) => this.network.address(other))
    const upstream = `host=${others[0]} user=replicator application_name=${name} sslmode=require passfile=${this.home}/pgpass connect_timeout=3 tcp_user_timeout=4000`
    const settings = {
      listen_addresses: this.network.address(name),
      // One socket a machine: the port in its name is the same, the folder is not.
      unix_socket_directories: this.#socket(name),
      port: 5432,
      // Given to both: what one of them takes over must be as safe as before.
      synchronous_standby_names: `ANY 1 (${this.names.join(', ')})`,
      ssl: 'on',
      ssl_cert_file: join(this.home, `${name}.pem`),
      ssl_key_file: join(this.home, `${name}.key`),
      primary_conninfo: upstream,
      wal_keep_size: '512MB',
      wal_log_hints: 'on',
      wal_receiver_timeout: '4s',
      wal_sender_timeout: '4s',
      wal_retrieve_retry_interval: '500ms',
      max_connections: 200,
      shared_buffers: '32MB',
      tcp_user_timeout: '5s',
      ...other,
    }
    return Object.entries(settings)
      .map(([key, value]) => `-c ${key}='${value}'`)
      .join(' ')
  }

  #socket(name) {
    const folder = join(this.home, `${name}.run`)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    chownSync(folder, ...this.owner)
    return folder
  }

  /** What the primary's store answers, a row a line. */
  read(text) {
    return this.#sql(this.primary, text, 'keytrustee')
  }

  #sql(name, text, database = 'postgres') {
    const [command, ...args] = this.#words(
      name,
      'env',
      // Before there is a standby nobody could confirm.
      'PGOPTIONS=-c synchronous_commit=local',
      'psql',
      '-X',
      '-q',
      '-h',
      this.#socket(name),
      '-A',
      '-t',
      '-d',
      database,
    )
    // By standard input: passwords are not for the process list.
    return execFileSync(command, [...args, '-v', 'ON_ERROR_STOP=1'], {
      input: text,
      cwd: '/',
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  }

  #data(name) {
    return join(this.home, `${name}.data`)
  }

  #pgctl(name, ...args) {
    this.#on(name, `${this.bin}/pg_ctl`, '-D', this.#data(name), ...args)
  }

  #on(name, ...command) {
    const result = this.#try(name, ...command)
    if (result.status !== 0)
      throw new Error(
        `${command.slice(0, 4).join(' ')} ended with ${result.status}: ${result.stderr}`,
      )
  }

  #try(name, ...command) {
    const words = this.#words(name, ...command)
    return spawnSync(words[0], words.slice(1), {
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
      cwd: '/',
    })
  }

  #words(name, ...command) {
    return [...this.network.on(name), 'runuser', '-u', 'postgres', '--', ...command]
  }

  #as(...command) {
    execFileSync('runuser', ['-u', 'postgres', '--', ...command], { stdio: 'ignore', cwd: '/' })
  }
}

const hba = `local all postgres peer
hostssl all all 10.77.0.0/24 scram-sha-256
hostssl replication replicator 10.77.0.0/24 scram-sha-256
`

/** Of the newest version that the distribution installed. */
export function findBinaries() {
  const folder = '/usr/lib/postgresql'
  const versions = existsSync(folder) ? readdirSync(folder).map(Number) : []
  if (versions.length === 0)
    throw new Error('PostgreSQL is not installed: apt-get install postgresql')
  return join(folder, String(Math.max(...versions)), 'bin')
}

function secret() {
  return randomBytes(18).toString('base64url')
}

async function isReaped(pid, withinMs) {
  const until = Date.now() + withinMs
  while (existsSync(`/proc/${pid}`) && Date.now() < until) await sleep(50)
  return !existsSync(`/proc/${pid}`)
}
