/** Certificates for tests, made once per file: an authority, a server, and peers of several sorts. */
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import {
  issueClientCertificate,
  type KeyedCertificate,
  makeAuthority,
  makeSelfSigned,
} from '../../src/certificates.js'

export async function issuePeer(
  authority: KeyedCertificate,
  commonName: string,
  o: { days?: number; now?: Date } = {},
): Promise<KeyedCertificate> {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const certificate = await issueClientCertificate({
    authority,
    publicKeyDer: createPublicKey(keys.privateKey as never).export({ type: 'spki', format: 'der' }),
    commonName,
    days: 30,
    ...o,
  })
  const privateKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  return { certificate, privateKey }
}

export interface Pki {
  readonly authority: KeyedCertificate
  readonly strangers: KeyedCertificate
  readonly server: KeyedCertificate
  readonly alice: KeyedCertificate
  readonly bob: KeyedCertificate
  /** Issued by an authority nobody trusts. */
  readonly mallory: KeyedCertificate
  readonly expired: KeyedCertificate
  readonly notYet: KeyedCertificate
  readonly selfSigned: KeyedCertificate
}

const dayMs = 86_400_000

export async function makePki(): Promise<Pki> {
  const authority = await makeAuthority({ commonName: 'our authority', days: 100 })
  const strangers = await makeAuthority({ commonName: 'our authority', days: 100 })
  return {
    authority,
    strangers,
    server: await makeSelfSigned({
      commonName: 'server',
      subjectAltNames: ['localhost', '127.0.0.1'],
      days: 30,
      usage: 'server',
    }),
    alice: await issuePeer(authority, 'alice'),
    bob: await issuePeer(authority, 'bob'),
    mallory: await issuePeer(strangers, 'alice'),
    expired: await issuePeer(authority, 'expired', {
      now: new Date(Date.now() - 10 * dayMs),
      days: 5,
    }),
    notYet: await issuePeer(authority, 'not yet', { now: new Date(Date.now() + 5 * dayMs) }),
    selfSigned: await makeSelfSigned({
      commonName: 'self-signed',
      subjectAltNames: [],
      days: 30,
      usage: 'client',
    }),
  }
}
