import { describe, expect, test } from 'vitest'
import { isLocalPeer } from '../../src/sealing/local-peer.js'

type Interfaces = NonNullable<Parameters<typeof isLocalPeer>[1]>

function entry(address: string, family: 'IPv4' | 'IPv6') {
  return { address, family, netmask: '', mac: '', internal: false, cidr: null, scopeid: 0 } as never
}

const interfaces: Interfaces = {
  lo: [entry('127.0.0.1', 'IPv4'), entry('::1', 'IPv6')],
  eth0: [entry('192.0.2.7', 'IPv4'), entry('2001:db8::7', 'IPv6'), entry('fe80::1', 'IPv6')],
}

describe('isLocalPeer', () => {
  test.each([
    '127.0.0.1',
    '127.8.8.8',
    '::1',
    '::ffff:127.0.0.1',
    '192.0.2.7',
    '::ffff:192.0.2.7',
    '::FFFF:192.0.2.7',
    '2001:db8::7',
    '2001:0db8:0:0:0:0:0:7',
    'fe80::1%eth0',
  ])('%s is', (address) => {
    expect(isLocalPeer(address, interfaces)).toBe(true)
  })

  test.each([
    '192.0.2.8',
    '::ffff:192.0.2.8',
    '2001:db8::8',
    '128.0.0.1',
    '0.0.0.0',
    '::',
    'local',
    '',
  ])('%s is not', (address) => {
    expect(isLocalPeer(address, interfaces)).toBe(false)
  })

  test('asks the machine by default', () => {
    expect(isLocalPeer('127.0.0.1')).toBe(true)
    expect(isLocalPeer('192.0.2.1')).toBe(false)
  })
})
