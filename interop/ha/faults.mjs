/** What can happen to an installation, by kind. Each fault is made, lasts, and is mended; `note` says what it was. */
import { setTimeout as pause } from 'node:timers/promises'

/** @typedef {{ network: any, databases: any, servers: any[], clients: string[], note: (line: string) => void }} Scene */

const any = (list) => list[Math.floor(Math.random() * list.length)]
const coin = () => Math.random() < 0.5
const lastMs = 4_000

/** @type {Record<string, (scene: Scene) => Promise<void>>} */
export const kinds = {
  'kill -9 of a Trustee Server': (scene) => killService(scene, 'keytrustee-server'),
  'kill -9 of a Key HSM': (scene) => killService(scene, 'keyhsm'),
  'kill -9 of an HSM process': async ({ servers, note }) => {
    const server = any(servers)
    note(server.name)
    await server.killHost()
    await pause(lastMs)
  },
  'kill -9 of the primary': (scene) => killDatabase(scene, scene.databases.primary),
  'kill -9 of the standby': (scene) => killDatabase(scene, scene.databases.standby),
  partition: async ({ network, databases, servers, clients, note }) => {
    const { primary, standby } = databases
    const server = any(servers).name
    const [left, right] = any([
      [[server], [primary]],
      [[server], [primary, standby]],
      [[primary], [standby]],
      [[any(clients)], [server]],
      [[server, primary], servers.map(({ name }) => name).filter((name) => name !== server)],
    ])
    note(`${left.join(', ')} from ${right.join(', ')}`)
    network.part(left, right)
    await pause(lastMs)
    network.heal()
  },
  'half-open link': async ({ network, databases, servers, note }) => {
    const pair = [any(servers).name, any([databases.primary, databases.standby])]
    const [from, to] = coin() ? pair : pair.toReversed()
    note(`nothing of ${from} arrives at ${to}`)
    network.drop(from, to)
    await pause(lastMs)
    network.heal()
  },
  'slow link': async ({ network, databases, servers, note }) => {
    const name = any([databases.primary, databases.standby, any(servers).name])
    note(name)
    network.slow(name)
    await pause(lastMs)
    network.heal()
  },
  promotion: promote,
}

async function killService({ servers, note }, service) {
  const server = any(servers)
  note(server.name)
  await server.kill(service)
  await pause(lastMs / 2)
  await server.start()
}

async function killDatabase({ databases, note }, name) {
  note(name)
  await databases.kill(name)
  await pause(lastMs / 2)
  databases.start(name)
}

/**
 * The primary is cut off, together with a server and a client that go on talking to it; its standby takes over; the cut is
 * mended while the old primary still believes in itself; then it is made the new one's standby.
 */
async function promote({ network, databases, servers, clients, note }) {
  const old = databases.primary
  const index = Math.floor(Math.random() * servers.length)
  const cut = [old, servers[index].name, clients[index]]
  const rest = [...network.addresses.keys()].filter((name) => !cut.includes(name))
  network.part(cut, rest)
  await pause(2_000)
  databases.promote()
  note(`${databases.primary}, while ${cut.join(', ')} are cut off`)
  await pause(lastMs)
  network.heal()
  await pause(2_000)
  note(`${old} follows again, by ${databases.rebuild()}`)
}
