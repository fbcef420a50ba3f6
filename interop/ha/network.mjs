/**
 * Machines as network namespaces on one switch, which is a namespace too: nothing of the host's own network is touched.
 * Packets are dropped where they arrive, so that one direction can fail alone.
 */
import { execFileSync, spawnSync } from 'node:child_process'

const table = `table ip ha {
  set from { type ipv4_addr; }
  chain input {
    type filter hook input priority 0;
    ip saddr @from drop;
  }
}
`

/** Why namespaces cannot be made here; undefined when they can. */
export function whyNoNamespaces() {
  if (process.getuid() !== 0) return 'network namespaces need root'
  for (const tool of ['ip', 'nft', 'tc'])
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0)
      return `${tool} is not installed`
  const probe = `khp${process.pid}`
  const made = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' })
  if (made.status !== 0) return `no right to make network namespaces: ${made.stderr.trim()}`
  const filtered = spawnSync('ip', ['netns', 'exec', probe, 'nft', '-f', '-'], { input: table })
  spawnSync('ip', ['netns', 'del', probe])
  return filtered.status === 0 ? undefined : 'the kernel lacks nftables'
}

export class Network {
  /** @param {string[]} machines names; addresses are given in their order */
  constructor(machines) {
    this.prefix = `kh${process.pid % 100000}`
    this.addresses = new Map(machines.map((name, index) => [name, `10.77.0.${index + 1}`]))
  }

  up() {
    const hub = this.#namespace('sw')
    run('ip', 'netns', 'add', hub)
    run('ip', '-n', hub, 'link', 'add', 'name', 'hub0', 'type', 'bridge')
    run('ip', '-n', hub, 'link', 'set', 'dev', 'hub0', 'up')
    for (const [name, address] of this.addresses) this.#attach(hub, name, address)
  }

  #attach(hub, name, address) {
    const own = this.#namespace(name)
    run('ip', 'netns', 'add', own)
    run('ip', '-n', own, 'link', 'set', 'lo', 'up')
    run(
      'ip',
      '-n',
      own,
      'link',
      'add',
      'name',
      'eth',
      'type',
      'veth',
      'peer',
      'name',
      name,
      'netns',
      hub,
    )
    run('ip', '-n', own, 'addr', 'add', `${address}/24`, 'dev', 'eth')
    run('ip', '-n', own, 'link', 'set', 'dev', 'eth', 'up')
    run('ip', '-n', hub, 'link', 'set', 'dev', name, 'master', 'hub0', 'up')
    execFileSync('ip', ['netns', 'exec', own, 'nft', '-f', '-'], { input: table })
  }

  address(name) {
    return this.addresses.get(name)
  }

  /** Words before a command that runs on this machine. */
  on(name) {
    return ['ip', 'netns', 'exec', this.#namespace(name)]
  }

  /** What `from` sends does not arrive at `to`; the other way does. */
  drop(from, to) {
    this.#nft(to, `add element ip ha from { ${this.address(from)} }`)
  }

  /** Nothing passes between the two groups. */
  part(left, right) {
    for (const a of left)
      for (const b of right) {
        this.drop(a, b)
        this.drop(b, a)
      }
  }

  /** A narrow link with a long queue: packets arrive late. Delay by netem needs a kernel module that may be missing. */
  slow(name) {
    const how = ['tbf', 'rate', '400kbit', 'burst', '3000', 'latency', '1500ms']
    run(...this.on(name), 'tc', 'qdisc', 'replace', 'dev', 'eth', 'root', ...how)
  }

  /** Everything passes again, at full speed. */
  heal() {
    for (const name of this.addresses.keys()) {
      this.#nft(name, 'flush set ip ha from')
      spawnSync('ip', [...this.on(name).slice(1), 'tc', 'qdisc', 'del', 'dev', 'eth', 'root'])
    }
  }

  /** With whatever still runs on the machines. */
  down() {
    for (const name of [...this.addresses.keys(), 'sw']) {
      const namespace = this.#namespace(name)
      const { stdout } = spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' })
      for (const pid of stdout.split('\n').filter(Boolean)) endProcess(Number(pid))
      spawnSync('ip', ['netns', 'del', namespace])
    }
  }

  #namespace(name) {
    return `${this.prefix}${name}`
  }

  #nft(name, command) {
    run(...this.on(name), 'nft', command)
  }
}

function endProcess(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}

function run(command, ...args) {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
