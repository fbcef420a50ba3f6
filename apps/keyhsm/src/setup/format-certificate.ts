/**
 * A certificate as the original manual prints it before `Trust this server?`: the form of the Java library that the old
 * product used, with the manual's own line lengths.
 */
import type { X509Certificate } from 'node:crypto'
import { readTlv, type Tlv } from './der.js'

/** Names by object identifier; Java's spellings. */
const signatureNames: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.5': 'SHA1WithRSAEncryption',
  '1.2.840.113549.1.1.11': 'SHA256WithRSAEncryption',
  '1.2.840.113549.1.1.12': 'SHA384WithRSAEncryption',
  '1.2.840.113549.1.1.13': 'SHA512WithRSAEncryption',
  '1.2.840.10045.4.3.2': 'SHA256WITHECDSA',
  '1.2.840.10045.4.3.3': 'SHA384WITHECDSA',
  '1.2.840.10045.4.3.4': 'SHA512WITHECDSA',
}

const modulusDigits = 42
const signatureDigits = 40
/** Width of the names, `: ` included. */
const nameWidth = 23

/** Lines without the last line end; `index` counts certificates from 0. */
export function formatCertificate(certificate: X509Certificate, index = 0): string {
  const parts = readParts(certificate.raw)
  const lines = [
    `[${index}]`,
    field('Version', String(parts.version)),
    field('SerialNumber', BigInt(`0x${certificate.serialNumber}`).toString()),
    field('IssuerDN', formatName(certificate.issuer)),
    field('Start Date', formatDate(new Date(certificate.validFrom))),
    field('Final Date', formatDate(new Date(certificate.validTo))),
    field('SubjectDN', formatName(certificate.subject)),
    ...formatPublicKey(certificate),
    ` Signature Algorithm: ${signatureNames[parts.algorithm] ?? parts.algorithm}`,
    field('Signature', broken(parts.signature, signatureDigits, nameWidth)),
    '',
    'Extensions:',
    '',
    ...parts.extensions.map(formatExtension),
    '',
  ]
  return lines.join('\n')
}

function field(name: string, value: string): string {
  return `${name.padStart(nameWidth - 2)}: ${value}`
}

function formatPublicKey({ publicKey }: X509Certificate): string[] {
  const { kty, n = '', e = '', x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const hex = (part: string) => Buffer.from(part, 'base64url').toString('hex')
  if (kty !== 'RSA') {
    return [field('Public Key', `${kty} Public Key`), point('X', hex(x)), point('Y', hex(y))]
  }
  const modulus = broken(hex(n), modulusDigits, nameWidth - 2)
  return [
    field('Public Key', 'RSA Public Key'),
    `            modulus: ${modulus}`,
    `   public exponent: ${BigInt(`0x${hex(e)}`).toString(16)}`,
  ]
}

function point(name: string, digits: string): string {
  return `                  ${name}: ${digits}`
}

/** Lines of so many digits, the later ones moved in. */
function broken(digits: string, length: number, indent: number): string {
  const lines = digits.match(new RegExp(`.{1,${length}}`, 'g')) ?? []
  return lines.join(`\n${' '.repeat(indent)}`)
}

/** The manual leaves a blank before the mail address only. */
function formatName(name: string): string {
  const parts = name.split('\n').map((part) => part.replace(/^emailAddress=/, 'E='))
  return parts.map((part, at) => (at > 0 && part.startsWith('E=') ? ` ${part}` : part)).join(',')
}

/** As `java.util.Date` prints it, in the machine's own time zone. */
function formatDate(date: Date): string {
  const options = {
    weekday: 'short',
    month: 'short',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'short',
    year: 'numeric',
  } as const
  const parts = new Intl.DateTimeFormat('en-US', options).formatToParts(date)
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? ''
  const time = `${part('hour')}:${part('minute')}:${part('second')}`
  return `${part('weekday')} ${part('month')} ${part('day')} ${time} ${part('timeZoneName')} ${part('year')}`
}

interface Extension {
  readonly id: string
  readonly critical: boolean
  readonly value: Buffer
}

const extensionForms: Readonly<Record<string, (value: Buffer) => string>> = {
  '2.5.29.19': (value) => `BasicConstraints: isCa(${value.includes(Buffer.from('0101ff', 'hex'))})`,
  '2.5.29.15': (value) => `KeyUsage: 0x${firstBits(value)}`,
  '2.16.840.1.113730.1.1': (value) => `NetscapeCertType: 0x${firstBits(value)}`,
}

function formatExtension({ id, critical, value }: Extension): string {
  const text = extensionForms[id]?.(value) ?? `${id} value = ${value.toString('hex')}`
  return `critical(${critical}) ${text}`
}

/** First byte of a BIT STRING behind its count of unused bits. */
function firstBits(value: Buffer): string {
  return (readTlv(value).content[1] ?? 0).toString(16)
}

/** @see RFC 5280 §4.1 */
function readParts(der: Buffer) {
  const [toBeSigned = empty, algorithm = empty, signature = empty] = readTlv(der).children()
  const fields = toBeSigned.children()
  const extensions = childOf(fields.find(({ tag }) => tag === 0xa3)).children()
  return {
    version: readVersion(fields[0]),
    algorithm: childOf(algorithm).objectIdentifier(),
    signature: signature.content.subarray(1).toString('hex'),
    extensions: extensions.map(toExtension),
  }
}

const empty = readTlv(Buffer.from([0x30, 0]))

function childOf(outer: Tlv | undefined): Tlv {
  return outer?.children()[0] ?? empty
}

/** Explicitly tagged; absent in version 1. */
function readVersion(first: Tlv | undefined): number {
  return first?.tag === 0xa0 ? (childOf(first).content[0] ?? 0) + 1 : 1
}

function toExtension(extension: Tlv): Extension {
  const parts = extension.children()
  return {
    id: parts[0]?.objectIdentifier() ?? '',
    critical: parts.length === 3 && parts[1]?.content[0] === 0xff,
    value: parts.at(-1)?.content ?? Buffer.alloc(0),
  }
}
