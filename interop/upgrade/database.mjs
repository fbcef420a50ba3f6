/** One PostgreSQL that belongs to neither server, as a larger site has it; as user postgres when this runs as root. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findBinaries } from '../ha/databases.mjs'
import { idsOf } from '../ha/identities.mjs'

export class Database {
  constructor(home, port) {
    this.home = join(home, 'database')
    this.port = port
    this.bin = findBinaries()
    this.isRoot = process.getuid() === 0
    this.passwords = { keytrustee: randomBytes(18).toString('base64url') }
  }

  get hosts() {
    return `127.0.0.1:${this.port}`
  }

  make() {
    mkdirSync(this.home, { mode: 0o700 })
    if (this.isRoot) chownSync(this.home, ...idsOf('postgres'))
    this.#as(`${this.bin}/initdb`, '-D', this.#data, '-k', '-A', 'peer', '-E', 'UTF8')
    const rules = 'local all all peer\nhost all keytrustee 127.0.0.1/32 scram-sha-256\n'
    writeFileSync(join(this.#data, 'pg_hba.conf'), rules)
    const options = `-c listen_addresses=127.0.0.1 -c port=${this.port} -c unix_socket_directories=${this.home}`
    const log = join(this.home, 'log')
    this.#as(`${this.bin}/pg_ctl`, '-D', this.#data, '-w', '-l', log, '-o', options, 'start')
    this.sql(`create role keytrustee login password '${this.passwords.keytrustee}'`)
    this.sql('create database keytrustee owner keytrustee')
  }

  /** Answers as psql prints them, without heads. By standard input: passwords are not for the process list. */
  sql(text, database = 'postgres') {
    const psql = ['psql', '-XqAt', '-h', this.home, '-p', String(this.port), '-d', database]
    return this.#as(...psql, '-v', 'ON_ERROR_STOP=1', text).trim()
  }

  stop() {
    this.#as(`${this.bin}/pg_ctl`, '-D', this.#data, '-m', 'fast', '-w', 'stop')
  }

  get #data() {
    return join(this.home, 'data')
  }

  #as(...command) {
    const input = command[0] === 'psql' ? command.pop() : ''
    const words = this.isRoot ? ['runuser', '-u', 'postgres', '--', ...command] : command
    const stdio = command[0] === 'psql' ? 'pipe' : ['ignore', 'ignore', 'pipe']
    const output = execFileSync(words[0], words.slice(1), { cwd: '/', input, stdio })
    return output?.toString() ?? ''
  }
}
