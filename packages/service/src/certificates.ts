/**
 * Making certificates: self-signed ones for servers and services, our own authority, and what it issues to clients. Reading and
 * checking them is `trust-store.ts` and `peer-identity.ts`.
 */
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import { DomainError } from '@keyhsm/core'
import { assertKeyAllowed } from './certificate-request.js'
import { loadX509, type X509 } from './x509.js'

type CryptoKey = webcrypto.CryptoKey
type CryptoKeyPair = webcrypto.CryptoKeyPair

export type CertificateKeyKind = 'ec-p256' | 'rsa-2048'
/** `server-and-client`: one certificate for both, as the old product's manual reuses the server's. */
export type CertificateUsage = 'server' | 'client' | 'server-and-client'

/** A certificate with its key. */
export interface KeyedCertificate {
  /** PEM. */
  readonly certificate: string
  /** PKCS#8, PEM, not encrypted. */
  readonly privateKey: string
}

const signing = { hash: 'SHA-256' } as const
const keyAlgorithms = {
  'ec-p256': { name: 'ECDSA', namedCurve: 'P-256', ...signing },
  'rsa-2048': {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    ...signing,
  },
} as const

const purposes = {
  server: ['serverAuth'],
  client: ['clientAuth'],
  'server-and-client': ['serverAuth', 'clientAuth'],
} as const satisfies Readonly<Record<CertificateUsage, readonly string[]>>

/** Clocks of two machines may differ by this much. */
const clockSkewMs = 5 * 60_000
const dayMs = 86_400_000

/** A leaf (never a CA) signed with its own key. `subjectAltNames` are DNS names and IP addresses. */
export async function makeSelfSigned(options: {
  readonly commonName: string
  readonly subjectAltNames: readonly string[]
  readonly days: number
  readonly usage: CertificateUsage
  readonly now?: Date
  readonly kind?: CertificateKeyKind
}): Promise<KeyedCertificate> {
  const x509 = await loadX509()
  const keys = await makeKeyPair(options.kind ?? 'ec-p256')
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(options),
    name: commonNameOf(options.commonName),
    keys,
    signingAlgorithm: signingAlgorithmOf(keys.privateKey),
    extensions: [
      ...(await leafExtensions(x509, keys.publicKey, options.usage)),
      ...alternativeNames(x509, options.subjectAltNames.map(hostName)),
    ],
  })
  return keyed(certificate, keys.privateKey)
}

/** An authority that may sign leafs and nothing below them. EC P-256. */
export async function makeAuthority(options: {
  readonly commonName: string
  readonly days: number
  readonly now?: Date
}): Promise<KeyedCertificate> {
  const x509 = await loadX509()
  const keys = await makeKeyPair('ec-p256')
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(options),
    name: commonNameOf(options.commonName),
    keys,
    signingAlgorithm: signingAlgorithmOf(keys.privateKey),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return keyed(certificate, keys.privateKey)
}

/**
 * A client's certificate (PEM) for a public key whose possession was proved. Name, purpose and lifetime are ours: nothing of a
 * certificate request but its key gets in.
 * @throws ERR_INVALID_INPUT when the key is of a kind or size we do not admit.
 */
export async function issueClientCertificate(options: {
  readonly authority: KeyedCertificate
  /** SubjectPublicKeyInfo. */
  readonly publicKeyDer: Buffer
  readonly commonName: string
  /** Subject alternative name of type URI. */
  readonly uri?: string
  readonly days: number
  readonly now?: Date
}): Promise<string> {
  assertKeyAllowed(options.publicKeyDer, 'publicKey')
  const x509 = await loadX509()
  const authority = new x509.X509Certificate(options.authority.certificate)
  const signingKey = await importSigningKey(options.authority.privateKey)
  const publicKey = new x509.PublicKey(options.publicKeyDer)
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity(options),
    subject: commonNameOf(options.commonName),
    issuer: authority.subjectName,
    publicKey,
    signingKey,
    signingAlgorithm: signingAlgorithmOf(signingKey),
    extensions: [
      ...(await leafExtensions(x509, publicKey, 'client')),
      await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
      ...alternativeNames(
        x509,
        options.uri === undefined ? [] : [{ type: 'url', value: options.uri }],
      ),
    ],
  })
  return certificate.toString('pem')
}

/** The key as encrypted PKCS#8 (PBES2, AES-256-CBC). @throws ERR_INVALID_INPUT when `pem` is no private key. */
export function encryptPrivateKey(pem: string, passphrase: string): string {
  try {
    return createPrivateKey(pem).export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase,
    }) as string
  } catch (cause) {
    throw new DomainError(
      'ERR_INVALID_INPUT',
      'privateKey must be an unencrypted private key in PEM form',
      { cause },
    )
  }
}

function makeKeyPair(kind: CertificateKeyKind): Promise<CryptoKeyPair> {
  return webcrypto.subtle.generateKey(keyAlgorithms[kind], true, ['sign', 'verify'])
}

/** An authority's key may be one an operator brought: EC P-256 or RSA. */
function importSigningKey(pem: string): Promise<CryptoKey> {
  const key = createPrivateKey(pem)
  const kind = key.asymmetricKeyType === 'rsa' ? 'rsa-2048' : 'ec-p256'
  const der = key.export({ type: 'pkcs8', format: 'der' })
  return webcrypto.subtle.importKey('pkcs8', der, keyAlgorithms[kind], false, ['sign'])
}

function signingAlgorithmOf(key: CryptoKey): { name: string; hash: string } {
  return { name: key.algorithm.name, ...signing }
}

async function keyed(
  certificate: X509.X509Certificate,
  privateKey: CryptoKey,
): Promise<KeyedCertificate> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey))
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  return {
    certificate: `${certificate.toString('pem')}\n`,
    privateKey: key.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

/** As a structure, never as text that would be parsed: a name may hold commas and equal signs. */
function commonNameOf(commonName: string): X509.JsonName {
  return [{ CN: [commonName] }]
}

function validity({ now = new Date(), days }: { now?: Date; days: number }) {
  return {
    serialNumber: newSerialNumber(),
    notBefore: new Date(now.getTime() - clockSkewMs),
    notAfter: new Date(now.getTime() + days * dayMs),
  }
}

/** RFC 5280 §4.1.2.2: positive and at most 20 bytes; the fixed top byte keeps it so, 120 bits are random. */
function newSerialNumber(): string {
  return `4b${randomBytes(15).toString('hex')}`
}

async function leafExtensions(
  x509: typeof X509,
  publicKey: X509.PublicKeyType,
  usage: CertificateUsage,
): Promise<X509.Extension[]> {
  const uses = purposes[usage].map((purpose) => x509.ExtendedKeyUsage[purpose])
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(uses),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
  ]
}

function alternativeNames(
  x509: typeof X509,
  names: readonly X509.JsonGeneralName[],
): X509.Extension[] {
  return names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...names])]
}

function hostName(name: string): X509.JsonGeneralName {
  return { type: isIP(name) === 0 ? 'dns' : 'ip', value: name }
}
