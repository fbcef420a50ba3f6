import { createHash, X509Certificate } from 'node:crypto'
import tls from 'node:tls'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { makeSelfSigned } from '../src/certificates.js'
import {
  certificateFingerprint,
  peerCertificate,
  publicKeyFingerprint,
} from '../src/peer-identity.js'
import { makePki, type Pki } from './support/pki.js'

let pki: Pki
beforeAll(async () => {
  pki = await makePki()
})

interface Seen {
  readonly authorized: boolean
  readonly reused: boolean
  readonly certificate: X509Certificate | undefined
}

/**
 * A server as one would naively write it: asks for a certificate, does not insist, and gives out session tickets. It tells what
 * it saw of each connection.
 */
function naiveServer(): Promise<{ port: number; seen: Seen[] }> {
  const seen: Seen[] = []
  const server = tls.createServer(
    {
      key: pki.server.privateKey,
      cert: pki.server.certificate,
      ca: [pki.authority.certificate],
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
    },
    (socket) => {
      seen.push({
        authorized: socket.authorized,
        reused: socket.isSessionReused(),
        certificate: peerCertificate(socket),
      })
      socket.on('error', () => {})
      socket.end('seen')
    },
  )
  onTestFinished(() => void server.close())
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve({ port: (server.address() as { port: number }).port, seen }),
    )
  })
}

/** One connection; gives the last session ticket the server sent. */
function visit(port: number, o: tls.ConnectionOptions = {}): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    let session: Buffer | undefined
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...o })
    socket.on('session', (ticket: Buffer) => {
      session = ticket
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(session))
    socket.resume()
  })
}

/** The fault was mended in Node 24. */
const nodeBelievesResumedSessions = Number(process.versions.node.split('.')[0]) < 24

describe('peerCertificate', () => {
  it('is the certificate of a peer that proved to hold it', async () => {
    const { port, seen } = await naiveServer()
    await visit(port, { key: pki.alice.privateKey, cert: pki.alice.certificate })
    expect(seen[0]?.certificate?.subject).toBe('CN=alice')
  })

  it.each(['none', 'mallory', 'expired', 'notYet'] as const)(
    'is nothing for a peer with %s',
    async (who) => {
      const { port, seen } = await naiveServer()
      const peer = who === 'none' ? undefined : pki[who]
      await visit(port, peer && { key: peer.privateKey, cert: peer.certificate })
      expect(seen).toEqual([{ authorized: false, reused: false, certificate: undefined }])
    },
  )

  it('is nothing on a TLS 1.3 session resumed without a certificate, which Node calls authorised', async () => {
    const { port, seen } = await naiveServer()
    const session = await visit(port)
    expect(session).toBeDefined()
    await visit(port, { session: session as Buffer })
    expect(seen[0]).toEqual({ authorized: false, reused: false, certificate: undefined })
    expect(seen[1]).toEqual({
      // This line shows that the guard is needed: whoever asks only for this has let a stranger in.
      authorized: nodeBelievesResumedSessions,
      reused: true,
      certificate: undefined,
    })
  })
})

describe('fingerprints', () => {
  it('of a public key is SHA-256 of its SubjectPublicKeyInfo', () => {
    const certificate = new X509Certificate(pki.alice.certificate)
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' })
    const expected = createHash('sha256').update(spki).digest('hex')
    expect(publicKeyFingerprint(certificate)).toBe(expected)
    expect(publicKeyFingerprint(new X509Certificate(pki.bob.certificate))).not.toBe(expected)
  })

  it('of a certificate is what openssl prints, in lower case without colons', async () => {
    const made = await makeSelfSigned({
      commonName: 'x',
      subjectAltNames: [],
      days: 1,
      usage: 'server',
    })
    const certificate = new X509Certificate(made.certificate)
    expect(certificateFingerprint(certificate)).toBe(
      certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    )
  })
})
