/**
 * Self-signed certificates such as an appliance makes for itself. The default is the one of the manual's example in
 * everything but its key: serial number 0, the appliance's names, a year that is long over, a CA.
 */
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { bitString, der, integer, objectIdentifier, sequence, utcTime } from './der.js'

export interface ServerIdentity {
  /** PEM. */
  readonly certificate: string
  /** PKCS#8 PEM. */
  readonly privateKey: string
  /** Newest TLS version that is spoken with it. */
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3'
}

export interface CertificateOptions {
  readonly commonName?: string
  readonly notBefore?: Date
  readonly notAfter?: Date
}

const sha256WithRsa = sequence(objectIdentifier('1.2.840.113549.1.1.11'), der(0x05))

/** A fresh RSA-2048 key and a certificate of it. */
export function makeCertificate(options: CertificateOptions = {}): ServerIdentity {
  const pair = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const name = distinguishedName(options.commonName ?? '172.19.1.135')
  const dates = sequence(
    utcTime(options.notBefore ?? new Date('2015-01-29T14:55:57Z')),
    utcTime(options.notAfter ?? new Date('2016-01-30T14:55:57Z')),
  )
  const version3 = der(0xa0, integer(2))
  const head = [version3, integer(0), sha256WithRsa, name, dates, name]
  const toSign = sequence(...head, pair.publicKey, extensions())
  const signature = sign('sha256', toSign, createPrivateKey(pair.privateKey))
  const certificate = sequence(toSign, sha256WithRsa, bitString(signature))
  return { certificate: toPem(certificate), privateKey: pair.privateKey }
}

function distinguishedName(commonName: string): Buffer {
  const parts = [
    ['2.5.4.6', 'US', 0x13],
    ['2.5.4.8', 'TX', 0x0c],
    ['2.5.4.7', 'Austin', 0x0c],
    ['2.5.4.10', 'ACME', 0x0c],
    ['2.5.4.11', 'Dev', 0x0c],
    ['2.5.4.3', commonName, 0x0c],
    ['1.2.840.113549.1.9.1', 'webadmin@example.com', 0x16],
  ] as const
  const sets = parts.map(([oid, text, tag]) =>
    der(0x31, sequence(objectIdentifier(oid), der(tag, Buffer.from(text, 'utf8')))),
  )
  return sequence(...sets)
}

/** Not critical: basicConstraints CA:TRUE, and netscape-cert-type sslClient and sslServer (C0). */
function extensions(): Buffer {
  const basic = sequence(der(0x01, Buffer.from([0xff])))
  const netscape = der(0x03, Buffer.from([6, 0xc0]))
  return der(
    0xa3,
    sequence(
      sequence(objectIdentifier('2.5.29.19'), der(0x04, basic)),
      sequence(objectIdentifier('2.16.840.1.113730.1.1'), der(0x04, netscape)),
    ),
  )
}

function toPem(certificate: Buffer): string {
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
