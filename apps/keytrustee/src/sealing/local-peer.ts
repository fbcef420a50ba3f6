import { BlockList, isIP, isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'

/**
 * Whether a peer is on this host: its address is one of a local interface's. The socket's word only; no
 * header makes anybody local. IPv4-mapped IPv6 addresses count as the IPv4 address they hold.
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

/** By which a proxy says that it asks for somebody else; RFC 7239 and RFC 9110 §7.6.3, and what is older. */
const forwardingHeaders = ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip'] as const

/** Whether a request came through a proxy, which may run on this host for callers who are not: its address says nothing then. */
export function isForwarded(headers: Readonly<Record<string, string | undefined>>): boolean {
  return forwardingHeaders.some((name) => headers[name] !== undefined)
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
