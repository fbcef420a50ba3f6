import { BlockList, isIP, isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'

/**
 * Whether a peer is on this host: its address is one of a local interface's. The socket's word only; headers of proxies
 * are never looked at. IPv4-mapped IPv6 addresses count as the IPv4 address they hold.
 */
export function isLocalPeer(
  peerAddress: string,
  interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces(),
): boolean {
  const peer = unmapped(peerAddress)
  if (isIP(peer) === 0) return false
  const local = new BlockList()
  // All of 127.0.0.0/8 is this host, though the interface lists one address only.
  local.addSubnet('127.0.0.0', 8, 'ipv4')
  for (const { address } of Object.values(interfaces).flatMap((entries) => entries ?? [])) {
    local.addAddress(withoutZone(address), isIPv4(address) ? 'ipv4' : 'ipv6')
  }
  return local.check(peer, isIPv4(peer) ? 'ipv4' : 'ipv6')
}

/** The IPv4 address that an IPv6 address maps; any other as it is, without its zone. */
export function unmapped(address: string): string {
  const plain = withoutZone(address)
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1]
  return mapped ?? plain
}

/** `fe80::1%eth0` → `fe80::1`. */
function withoutZone(address: string): string {
  return address.replace(/%.*$/, '')
}
