/** The manual's own example, made again from what the manual prints of it. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { makeSelfSigned } from '@keyhsm/service'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { formatCertificate } from '../../src/setup/format-certificate.js'

const transcript = readFileSync(
  new URL('../../../../interop/transcripts/keysecure.txt', import.meta.url),
  'utf8',
)
const printed = transcript.slice(transcript.indexOf('[0]\n'), transcript.indexOf('\nTrust this'))

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size =
    length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const hexOf = (name: string) => {
  const match = new RegExp(`${name}: ([0-9a-f]+(?:\\n +[0-9a-f]+$)*)`, 'm').exec(printed)
  return Buffer.from((match?.[1] ?? '').replaceAll(/\s/g, ''), 'hex')
}
const id = (hex: string) => der(6, Buffer.from(hex, 'hex'))
const text = (tag: number, value: string) => der(tag, Buffer.from(value))
const integer = (hex: string) => der(2, Buffer.from(hex, 'hex'))

/** RFC 5280 §4.1, with the manual's modulus and signature. */
function manualCertificate(): X509Certificate {
  const names = [
    ['550406', 'US'],
    ['550408', 'TX'],
    ['550407', 'Austin'],
    ['55040a', 'ACME'],
    ['55040b', 'Dev'],
    ['550403', '172.19.1.135'],
    ['2a864886f70d010901', 'webadmin@example.com'],
  ] as const
  const parts = names.map(([oid, value]) => der(0x31, der(0x30, id(oid), text(0x13, value))))
  const name = der(0x30, ...parts)
  const sha256WithRsa = der(0x30, id('2a864886f70d01010b'), der(5))
  const key = der(0x30, integer(`00${hexOf('modulus').toString('hex')}`), integer('010001'))
  const publicKey = der(
    0x30,
    der(0x30, id('2a864886f70d010101'), der(5)),
    der(3, Buffer.from([0]), key),
  )
  const isAuthority = der(0x30, id('551d13'), der(4, der(0x30, der(1, Buffer.from([0xff])))))
  const kind = der(0x30, id('6086480186f8420101'), der(4, der(3, Buffer.from([6, 0xc0]))))
  const toBeSigned = der(
    0x30,
    der(0xa0, integer('02')),
    integer('00'),
    sha256WithRsa,
    name,
    der(0x30, text(0x17, '150129145557Z'), text(0x17, '160130145557Z')),
    name,
    publicKey,
    der(0xa3, der(0x30, isAuthority, kind)),
  )
  const signature = der(3, Buffer.from([0]), hexOf('Signature'))
  return new X509Certificate(der(0x30, toBeSigned, sha256WithRsa, signature))
}

afterEach(() => vi.unstubAllEnvs())

describe('a certificate', () => {
  it('is printed with the manual’s own characters', () => {
    vi.stubEnv('TZ', 'America/New_York')
    expect(formatCertificate(manualCertificate())).toBe(printed)
  })

  it('of another kind is printed as well', async () => {
    const options = {
      commonName: 'ec',
      subjectAltNames: ['localhost'],
      days: 1,
      usage: 'server',
    } as const
    const { certificate } = await makeSelfSigned(options)
    const lines = formatCertificate(new X509Certificate(certificate), 1).split('\n')
    expect(lines[0]).toBe('[1]')
    expect(lines).toContain('           Public Key: EC Public Key')
    expect(lines).toContain(' Signature Algorithm: SHA256WITHECDSA')
    expect(lines).toContain('             IssuerDN: CN=ec')
    expect(lines.join('\n')).toMatch(/critical\(true\) BasicConstraints: isCa\(false\)/)
  })
})
