import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { describe, expect, it } from 'vitest'
import {
  encryptPrivateKey,
  issueClientCertificate,
  makeAuthority,
  makeSelfSigned,
} from '../src/certificates.js'

const now = new Date('2026-03-01T12:00:00Z')
const spki = (type: 'ec' | 'rsa' | 'ed25519', o: object = {}) =>
  generateKeyPairSync(
    type as 'ec',
    { namedCurve: 'P-256', ...o } as { namedCurve: string },
  ).publicKey.export({
    type: 'spki',
    format: 'der',
  })

describe('makeSelfSigned', () => {
  it.each(['ec-p256', 'rsa-2048'] as const)('makes a leaf and its key: %s', async (kind) => {
    const made = await makeSelfSigned({
      commonName: 'keyhsm',
      subjectAltNames: ['localhost', '127.0.0.1', '::1'],
      days: 10,
      usage: 'server',
      now,
      kind,
    })
    const certificate = new X509Certificate(made.certificate)
    expect(certificate.checkPrivateKey(createPrivateKey(made.privateKey))).toBe(true)
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.ca).toBe(false)
    expect(certificate.subject).toBe('CN=keyhsm')
    expect(certificate.checkHost('localhost')).toBe('localhost')
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1')
    expect(certificate.checkIP('::1')).toBe('::1')
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
    expect(new Date(certificate.validFrom)).toEqual(new Date('2026-03-01T11:55:00Z'))
    expect(new Date(certificate.validTo)).toEqual(new Date('2026-03-11T12:00:00Z'))
    expect(createSecureContext({ key: made.privateKey, cert: made.certificate })).toBeDefined()
  })

  it('takes a name as it is, whatever it holds, and never twice the same serial number', async () => {
    const make = () =>
      makeSelfSigned({ commonName: 'a,O=b+C=d"é', subjectAltNames: [], days: 1, usage: 'client' })
    const [one, two] = [await make(), await make()].map(
      (made) => new X509Certificate(made.certificate),
    )
    expect(one?.toLegacyObject().subject).toMatchObject({ CN: 'a,O=b+C=d"é' })
    expect(Object.keys(one?.toLegacyObject().subject ?? {})).toEqual(['CN'])
    expect(one?.serialNumber).not.toBe(two?.serialNumber)
    expect(one?.subjectAltName).toBeUndefined()
  })
})

describe('issueClientCertificate', () => {
  it('signs name, purpose and lifetime of ours over the client’s key', async () => {
    const authority = await makeAuthority({ commonName: 'authority', days: 100, now })
    const publicKeyDer = spki('ec')
    const issued = new X509Certificate(
      await issueClientCertificate({
        authority,
        publicKeyDer,
        commonName: 'client-1',
        uri: 'urn:uuid:6a2f41a3-c54c-4ce8-a5d2-09cdc1c1fb1d',
        days: 30,
        now,
      }),
    )
    const root = new X509Certificate(authority.certificate)
    expect(root.ca).toBe(true)
    expect(issued.checkIssued(root)).toBe(true)
    expect(issued.verify(root.publicKey)).toBe(true)
    expect(issued.publicKey.export({ type: 'spki', format: 'der' })).toEqual(publicKeyDer)
    expect(issued.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
    expect(issued.subjectAltName).toBe('URI:urn:uuid:6a2f41a3-c54c-4ce8-a5d2-09cdc1c1fb1d')
    expect(issued.ca).toBe(false)
    expect(new Date(issued.validTo)).toEqual(new Date('2026-03-31T12:00:00Z'))
  })

  it('signs RSA and Ed25519 keys, and no key that is too weak or broken', async () => {
    const authority = await makeAuthority({ commonName: 'a', days: 9 })
    const issue = (publicKeyDer: Buffer) =>
      issueClientCertificate({ authority, publicKeyDer, commonName: 'c', days: 1 })
    for (const key of [spki('rsa', { modulusLength: 2048 }), spki('ed25519')]) {
      expect(
        new X509Certificate(await issue(key)).verify(
          new X509Certificate(authority.certificate).publicKey,
        ),
      ).toBe(true)
    }
    for (const key of [
      spki('rsa', { modulusLength: 1024 }),
      spki('ec', { namedCurve: 'secp256k1' }),
      Buffer.from('x'),
    ]) {
      await expect(issue(key)).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
    }
  })

  it('works with an authority that has an RSA key', async () => {
    const authority = await makeSelfSigned({
      commonName: 'rsa',
      subjectAltNames: [],
      days: 9,
      usage: 'client',
      kind: 'rsa-2048',
    })
    const issued = await issueClientCertificate({
      authority,
      publicKeyDer: spki('ec'),
      commonName: 'c',
      days: 1,
    })
    expect(
      new X509Certificate(issued).verify(new X509Certificate(authority.certificate).publicKey),
    ).toBe(true)
  })
})

describe('encryptPrivateKey', () => {
  it('gives a key that only opens with its passphrase', async () => {
    const { privateKey } = await makeSelfSigned({
      commonName: 'x',
      subjectAltNames: [],
      days: 1,
      usage: 'server',
    })
    const key = encryptPrivateKey(privateKey, 'correct')
    expect(() => createPrivateKey(key)).toThrow()
    const opened = createPrivateKey({ key, passphrase: 'correct' })
    expect(opened.export({ type: 'pkcs8', format: 'pem' })).toBe(privateKey)
    expect(() => createPrivateKey({ key, passphrase: 'wrong' })).toThrow()
  })

  it('refuses what is no private key', () => {
    expect(() => encryptPrivateKey('garbage', 'x')).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_INPUT' }),
    )
  })
})
