/** Who may act for whom: `hadoop.kms.proxyuser.USER.users|groups|hosts`. */
import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import type { Configuration } from '../configuration/configuration.js'
import type { Groups } from './groups.js'

interface Proxy {
  readonly users: ReadonlySet<string>
  readonly groups: ReadonlySet<string>
  readonly hosts: Hosts
}

interface Hosts {
  readonly everywhere: boolean
  readonly addresses: BlockList
}

export interface ProxyUsers {
  /** Why `real` may not act for `effective`; undefined when it may. */
  findRefusal(real: string, effective: string, peerAddress: string): Promise<string | undefined>
}

const pattern = /^hadoop\.kms\.proxyuser\.([\s\S]+)\.(users|groups|hosts)$/

/** Host names are looked up now, as the original does; one that is unknown lets nobody in and is told to `warn`. */
export async function readProxyUsers(
  configuration: Configuration,
  groups: Groups,
  warn: (words: string) => void,
): Promise<ProxyUsers> {
  const proxies = new Map<string, Proxy>()
  const names = new Set([...configuration.keys()].flatMap((name) => pattern.exec(name)?.[1] ?? []))
  for (const name of names) {
    const list = (what: string) =>
      split(configuration.get(`hadoop.kms.proxyuser.${name}.${what}`)?.text ?? '')
    const hosts = await readHosts(list('hosts'), (host) =>
      warn(`hadoop.kms.proxyuser.${name}.hosts: ${host} is not known`),
    )
    proxies.set(name, { users: new Set(list('users')), groups: new Set(list('groups')), hosts })
  }
  return {
    async findRefusal(real, effective, peerAddress) {
      const proxy = proxies.get(real)
      if (!proxy || !(await mayBe(proxy, effective, groups)))
        return `User: ${real} is not allowed to impersonate ${effective}`
      if (isHost(proxy.hosts, peerAddress)) return undefined
      return `Unauthorized connection for super-user: ${real} from IP ${peerAddress}`
    },
  }
}

async function mayBe(proxy: Proxy, effective: string, groups: Groups): Promise<boolean> {
  if (proxy.users.has('*') || proxy.groups.has('*') || proxy.users.has(effective)) return true
  if (proxy.groups.size === 0) return false
  return (await groups.of(effective)).some((group) => proxy.groups.has(group))
}

function split(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
}

async function readHosts(list: readonly string[], unknown: (host: string) => void): Promise<Hosts> {
  const addresses = new BlockList()
  for (const host of list) {
    if (host === '*') continue
    const [address = '', bits] = host.split('/')
    if (isIP(address) !== 0) addNetwork(addresses, address, bits)
    else {
      const found = await lookup(host, { all: true }).catch(() => [])
      if (found.length === 0) unknown(host)
      for (const one of found) addresses.addAddress(one.address, one.family === 6 ? 'ipv6' : 'ipv4')
    }
  }
  return { everywhere: list.includes('*'), addresses }
}

function addNetwork(addresses: BlockList, address: string, bits: string | undefined): void {
  const [family, most] = isIP(address) === 6 ? (['ipv6', 128] as const) : (['ipv4', 32] as const)
  if (bits === undefined) addresses.addAddress(address, family)
  else if (/^\d{1,3}$/.test(bits) && Number(bits) <= most)
    addresses.addSubnet(address, Number(bits), family)
}

function isHost({ everywhere, addresses }: Hosts, peer: string): boolean {
  if (everywhere) return true
  const family = isIP(peer)
  return family !== 0 && addresses.check(peer, family === 6 ? 'ipv6' : 'ipv4')
}
