import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { newUuid } from '@keyhsm/core'
import { issueClientCertificate, makeAuthority, makeSelfSigned } from '@keyhsm/service'
import { beforeAll, describe, expect, test } from 'vitest'
import { type ClientAuthority, openClientAuthority } from '../../src/clients/client-authority.js'
import { identifyClient } from '../../src/clients/identify-client.js'
import { createHash } from 'node:crypto'
import type { Client } from '../../src/store/store.js'
import { addCaller, makeSurroundings } from '../support/surroundings.js'

type Keyed = Awaited<ReturnType<typeof makeAuthority>>

let own: Keyed
let authority: ClientAuthority
beforeAll(async () => {
  own = await makeAuthority({ commonName: 'own', days: 10_000 })
  authority = openClientAuthority(own)
})

function newKey(): Buffer {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
    type: 'spki',
    format: 'der',
  })
}

const fingerprintOf = (der: Buffer) =>
  createHash('sha256').update(der).digest('hex') as Client['keyFingerprint']

async function issued(o: {
  readonly uuid: string
  readonly publicKeyDer: Buffer
  readonly by?: Keyed
  readonly now: Date
  readonly uri?: string
}): Promise<X509Certificate> {
  const pem = await issueClientCertificate({
    authority: o.by ?? own,
    publicKeyDer: o.publicKeyDer,
    commonName: 'client',
    uri: o.uri ?? `urn:keytrustee:client:${o.uuid}`,
    days: 1,
    now: o.now,
  })
  return new X509Certificate(pem)
}

/** A client whose row has the key of its certificate. */
async function enrolled() {
  const at = await makeSurroundings()
  const { client: before, organisation } = await addCaller(at)
  const publicKeyDer = newKey()
  const client = at.grants.client({ ...before, keyFingerprint: fingerprintOf(publicKeyDer) })
  await at.store.withTransaction((transaction) => transaction.updateClient(client))
  const certificate = await issued({ uuid: client.uuid, publicKeyDer, now: at.clock.now() })
  const identify = (shown: X509Certificate | undefined = certificate) =>
    identifyClient(at.trustee, authority, shown)
  return { at, client, organisation, publicKeyDer, certificate, identify }
}

describe('identifyClient', () => {
  test('knows an active client of an active organisation', async () => {
    const { client, organisation, identify } = await enrolled()
    expect(await identify()).toEqual({ client, organisation })
    expect(await identify()).toEqual({ client, organisation })
  })

  test('nobody: no certificate, another authority’s, self-signed, our authority’s own', async () => {
    const { at, client, publicKeyDer, identify } = await enrolled()
    const by = await makeAuthority({ commonName: 'own', days: 10 })
    const self = await makeSelfSigned({
      commonName: 'x',
      subjectAltNames: [],
      days: 1,
      usage: 'client',
      now: at.clock.now(),
    })
    expect(await identifyClient(at.trustee, authority, undefined)).toBeUndefined()
    expect(
      await identify(await issued({ uuid: client.uuid, publicKeyDer, by, now: at.clock.now() })),
    ).toBeUndefined()
    expect(await identify(new X509Certificate(self.certificate))).toBeUndefined()
    expect(await identify(new X509Certificate(own.certificate))).toBeUndefined()
  })

  test('nobody: another name in the certificate, or none of ours', async () => {
    const { at, client, publicKeyDer, identify } = await enrolled()
    const now = at.clock.now()
    for (const uri of [
      `urn:keytrustee:client:${newUuid()}`,
      `https://x/${client.uuid}`,
      `urn:keytrustee:client:${client.uuid}x`,
    ])
      expect(
        await identify(await issued({ uuid: client.uuid, publicKeyDer, uri, now })),
      ).toBeUndefined()
  })

  test('nobody: before and after the certificate’s time, also when it was believed before', async () => {
    const { at, identify } = await enrolled()
    expect(await identify()).toBeDefined()
    at.clock.advance(2 * 86400_000)
    expect(await identify()).toBeUndefined()
    at.clock.advance(-4 * 86400_000)
    expect(await identify()).toBeUndefined()
  })

  test('nobody: a genuine certificate with another key than the row’s', async () => {
    const { at, client, identify } = await enrolled()
    const now = at.clock.now()
    expect(
      await identify(await issued({ uuid: client.uuid, publicKeyDer: newKey(), now })),
    ).toBeUndefined()
  })

  test.each(['waiting', 'disabled'] as const)(
    'nobody from the next request on: %s',
    async (state) => {
      const { at, client, identify } = await enrolled()
      expect(await identify()).toBeDefined()
      await at.store.withTransaction((transaction) =>
        transaction.updateClient(at.grants.client({ ...client, state })),
      )
      expect(await identify()).toBeUndefined()
    },
  )

  test('nobody while the organisation is suspended', async () => {
    const { at, organisation, identify } = await enrolled()
    const suspended = at.grants.organisation({ ...organisation, state: 'suspended' })
    await at.store.withTransaction((transaction) => transaction.updateOrganisation(suspended))
    expect(await identify()).toBeUndefined()
  })

  test('nobody, and audited as integrity: a client row that a database administrator wrote', async () => {
    const { at, client, identify } = await enrolled()
    const disabled = at.grants.client({ ...client, state: 'disabled' })
    await at.store.withTransaction((transaction) =>
      transaction.updateClient({ ...disabled, state: 'active' }),
    )
    expect(await identify()).toBeUndefined()
    expect((await at.auditLines()).at(-1)).toMatchObject({
      operation: 'identify',
      outcome: 'integrity',
    })
  })

  test('nobody, and audited as integrity: an organisation row that a database administrator wrote', async () => {
    const { at, organisation, identify } = await enrolled()
    await at.store.withTransaction((transaction) =>
      transaction.updateOrganisation({ ...organisation, name: 'other' }),
    )
    expect(await identify()).toBeUndefined()
    expect((await at.auditLines()).at(-1)).toMatchObject({
      outcome: 'integrity',
      subject: { row: 'organisation' },
    })
  })
})
