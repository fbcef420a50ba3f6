/** Every machine of the trial: three server pairs on one token, primary and standby, and a registered client. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../../scripts/lib/sources.mjs'
import { programRoot } from '../lib/program-root.mjs'
import { fell, stands } from '../lib/standing.mjs'
import { Stack } from '../lib/stack.mjs'
import { Databases } from './databases.mjs'
import { Network } from './network.mjs'
import { ServerPair } from './servers.mjs'

const threePairs = {
  servers: ['n1', 'n2', 'n3'],
  databases: ['db1', 'db2'],
  clients: ['c1', 'c2', 'c3'],
}

export class Installation {
  /** `settings` of each server, by their names. */
  constructor(print, { names = threePairs, settings = {} } = {}) {
    this.print = print
    this.names = names
    this.settings = settings
    this.clients = names.clients
    this.servers = []
    this.home = mkdtempSync(join(tmpdir(), 'keyhsm-ha-'))
    chmodSync(this.home, 0o755)
    this.network = new Network([...names.servers, ...names.databases, ...names.clients])
  }

  async make() {
    stands(this)
    this.network.up()
    const { home, network, names, settings } = this
    this.databases = new Databases({ home, network, names: names.databases })
    this.databases.make()
    const env = await this.#makeToken()
    for (const name of names.servers) {
      const server = new ServerPair({
        name,
        home,
        network,
        env,
        pinFile: join(home, 'pin'),
        settings,
      })
      server.shell.print = this.print ?? (() => {})
      this.servers.push(server)
      if (this.servers.length === 1) await server.makeFirst(this.databases)
      else await server.join(this.servers[0])
      console.log(`${name} serves on ${server.url}`)
    }
    const folder = join(home, 'client')
    mkdirSync(folder, { mode: 0o700 })
    this.client = await this.servers[0].register(folder, this.servers)
  }

  /** One token for all three Key HSMs, as one partition of a network HSM would be. */
  async #makeToken() {
    const stack = await Stack.create({ home: this.home })
    await stack.makeToken()
    const program = programRoot(root, this.home)
    return { PATH: `${program}/bin:${process.env.PATH}`, SOFTHSM2_CONF: stack.env.SOFTHSM2_CONF }
  }

  /** Whatever of it there is. */
  async remove() {
    fell(this)
    try {
      // Commands reach the services by their sockets: no network is needed.
      for (const server of this.servers) await server.stop()
      for (const name of this.names.databases) this.databases?.stop(name)
    } finally {
      this.network.down()
      rmSync(this.home, { recursive: true, force: true })
    }
  }
}
