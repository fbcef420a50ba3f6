import { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { makeSelfSigned } from '../src/certificates.js'
import { parseCertificates, TrustStore } from '../src/trust-store.js'
import { issuePeer, makePki, type Pki } from './support/pki.js'

let pki: Pki
beforeAll(async () => {
  pki = await makePki()
})

const now = new Date()
const leaf = (name: keyof Pki) => new X509Certificate(pki[name].certificate)
const trusting = (...names: (keyof Pki)[]) =>
  new TrustStore(names.map((name) => pki[name].certificate))
const dayMs = 86_400_000

describe('TrustStore', () => {
  it('admits leafs of its authorities and leafs on the list, and nobody else', () => {
    const all: (keyof Pki)[] = [
      'alice',
      'bob',
      'mallory',
      'selfSigned',
      'authority',
      'expired',
      'notYet',
    ]
    const admitted = (store: TrustStore) => all.filter((name) => store.admits(leaf(name), now))
    expect(admitted(trusting('authority'))).toEqual(['alice', 'bob'])
    expect(admitted(trusting('alice'))).toEqual(['alice'])
    expect(admitted(trusting('selfSigned', 'bob'))).toEqual(['bob', 'selfSigned'])
    expect(admitted(trusting('strangers'))).toEqual(['mallory'])
    expect(admitted(trusting('expired', 'notYet'))).toEqual([])
    expect(admitted(new TrustStore([]))).toEqual([])
  })

  it('does not take a leaf on the list for an authority', async () => {
    const child = await issuePeer(pki.alice, 'child of a leaf')
    expect(trusting('alice').admits(new X509Certificate(child.certificate), now)).toBe(false)
  })

  it('needs the authority in its time too', async () => {
    const years = new Date(now.getTime() + 200 * dayMs)
    const late = await issuePeer(pki.authority, 'late', { now: years, days: 10 })
    const store = trusting('authority')
    const certificate = new X509Certificate(late.certificate)
    expect(store.admits(certificate, new Date(years.getTime() + dayMs))).toBe(false)
  })

  it('says until when an admission holds: the earlier end of leaf and authority', async () => {
    const long = await issuePeer(pki.authority, 'long', { days: 500 })
    const store = trusting('authority')
    expect(store.admittedUntil(leaf('alice'), now)).toBe(Date.parse(leaf('alice').validTo))
    expect(store.admittedUntil(new X509Certificate(long.certificate), now)).toBe(
      Date.parse(leaf('authority').validTo),
    )
  })

  it('wants a leaf that may be used by clients', async () => {
    const make = async (usage: 'server' | 'server-and-client') =>
      (await makeSelfSigned({ commonName: 'x', subjectAltNames: [], days: 1, usage })).certificate
    const [server, both] = [await make('server'), await make('server-and-client')]
    const store = new TrustStore([server, both])
    expect(store.admits(new X509Certificate(server), now)).toBe(false)
    expect(store.admits(new X509Certificate(both), now)).toBe(true)
  })
})

describe('parseCertificates', () => {
  it('reads every certificate of a text, whatever stands between', () => {
    const text = `Bag Attributes\n${pki.alice.certificate}\n# bob\n${pki.bob.certificate}`
    expect(parseCertificates(text).map((found) => found.subject)).toEqual(['CN=alice', 'CN=bob'])
  })

  it('refuses a text without one, and one that is broken', () => {
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'
    for (const text of ['', 'x', pki.alice.privateKey, `${pki.alice.certificate}\n${broken}`]) {
      expect(() => parseCertificates(text, 'file')).toThrow(
        expect.objectContaining({
          code: 'ERR_INVALID_INPUT',
          message: expect.stringMatching(/^file /),
        }),
      )
    }
  })
})
