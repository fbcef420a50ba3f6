import { type DomainError, newUuid } from '@keyhsm/core'
import { makeAuthority } from '@keyhsm/service'
import { beforeAll, describe, expect, test } from 'vitest'
import { X509Certificate } from 'node:crypto'
import { changeClientState } from '../../src/clients/change-client-state.js'
import { openClientAuthority } from '../../src/clients/client-authority.js'
import { type EnrolmentDesk, enrolClient } from '../../src/clients/enrol-client.js'
import { parseEnrolment } from '../../src/clients/enrolment-request.js'
import { createAttemptLimit } from '../../src/organisations/attempt-limit.js'
import {
  addOrganisation,
  renameOrganisation,
  setOrganisationState,
} from '../../src/organisations/organisation-orders.js'
import { setAuth } from '../../src/organisations/set-auth.js'
import { makeEnrolment } from '../support/running-server.js'
import { makeSurroundings, type Surroundings } from '../support/surroundings.js'

let authority: EnrolmentDesk['authority']
beforeAll(async () => {
  authority = openClientAuthority(await makeAuthority({ commonName: 'test', days: 10 }))
})

const order = () => ({ requestId: newUuid(), actor: 'alice' })

type Body = Awaited<ReturnType<typeof makeEnrolment>>['body']

async function desk() {
  const at = await makeSurroundings()
  const { auth, organisation } = await addOrganisation(at.trustee, {
    ...order(),
    name: 'PROD',
    contacts: [],
  })
  const attempts = createAttemptLimit(at.clock)
  const enrol = async (body: Body, peer = '127.0.0.1') =>
    enrolClient(
      at.trustee,
      { authority, attempts },
      { requestId: newUuid(), peer, request: await parseEnrolment(body) },
    )
  return { at, auth, organisation, enrol }
}

async function failure(promise: Promise<unknown>): Promise<DomainError> {
  return promise.then(
    () => expect.fail('should have been refused'),
    (error: unknown) => error as DomainError,
  )
}

const change = (at: Surroundings, ref: string, action: 'approve' | 'disable' | 'enable') =>
  changeClientState(at.trustee, { ...order(), ref, action })

describe('enrolClient', () => {
  test('with the right secret: active, with a certificate whose content the server alone decides', async () => {
    const { at, auth, organisation, enrol } = await desk()
    const { body } = await makeEnrolment({ organisation: 'PROD', auth })
    const reply = await enrol(body)
    expect(reply).toMatchObject({ state: 'active', organisation: organisation.uuid })
    const certificate = new X509Certificate(reply.certificate ?? '')
    expect(certificate.subject).toBe('CN=client-1')
    expect(certificate.subjectAltName).toBe(`URI:urn:keytrustee:client:${reply.client}`)
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
    expect(certificate.ca).toBe(false)
    const days = (Date.parse(certificate.validTo) - at.clock.now().getTime()) / 86400_000
    expect(Math.round(days)).toBe(365)
    expect(authority.readClaim(certificate, at.clock.now())?.uuid).toBe(reply.client)
  })

  test('repeating with the same key gives the same client, and changes nothing else', async () => {
    const { at, auth, enrol } = await desk()
    const { body } = await makeEnrolment({ organisation: 'PROD', auth })
    const [first, second] = await Promise.all([enrol(body), enrol(body)])
    expect(second.client).toBe(first.client)
    expect(await at.store.listClients({})).toHaveLength(1)
    const stolen = { ...body, recipient: 'age1otherrecipient', auth }
    expect((await failure(enrol(stolen))).code).toBe('ERR_ALREADY_EXISTS')
    expect((await at.store.listClients({}))[0]?.recipient).toBe(body.recipient)
  })

  test('without a secret: waits, and fetches its certificate once approved', async () => {
    const { at, enrol } = await desk()
    const { body } = await makeEnrolment({ organisation: 'PROD' })
    const waiting = await enrol(body)
    expect(waiting.state).toBe('waiting')
    expect(waiting.certificate).toBeUndefined()
    await change(at, waiting.client, 'approve')
    const active = await enrol(body)
    expect(active).toMatchObject({ client: waiting.client, state: 'active' })
    expect(active.certificate).toBeDefined()
  })

  test('a waiting client that comes back with the secret is active', async () => {
    const { auth, enrol } = await desk()
    const { body } = await makeEnrolment({ organisation: 'PROD' })
    const waiting = await enrol(body)
    expect(await enrol({ ...body, auth })).toMatchObject({
      client: waiting.client,
      state: 'active',
    })
  })

  test('a secret ends by time and by uses, looks like a wrong one then, and the audit says why', async () => {
    const { at, enrol } = await desk()
    const limits = { expiresInMs: 60_000, uses: 2 }
    const { auth = '' } = await setAuth(at.trustee, { ...order(), name: 'PROD', ...limits })
    const body = async (clientName: string) =>
      (await makeEnrolment({ organisation: 'PROD', auth, clientName })).body
    const [first, second, third] = [await body('one'), await body('two'), await body('three')]
    expect((await enrol(first)).state).toBe('active')
    expect((await at.store.findOrganisation({ name: 'PROD' }))?.authUsesLeft).toBe(1)
    const raced = await Promise.allSettled([enrol(second), enrol(third)])
    expect(raced.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const usedUp = await failure(enrol(await body('four')))
    expect([usedUp.code, usedUp.message]).toEqual([
      'ERR_NOT_AUTHENTICATED',
      'organisation or auth secret is not accepted',
    ])
    expect((await at.auditLines()).at(-1)).toMatchObject({ reason: 'auth-used-up' })
    // Who is enrolled repeats its request without another use, also after the end.
    at.clock.advance(60_000)
    expect((await enrol(first)).state).toBe('active')
    const again = await setAuth(at.trustee, { ...order(), name: 'PROD', expiresInMs: 60_000 })
    at.clock.advance(60_000)
    const late = await makeEnrolment({ organisation: 'PROD', auth: again.auth ?? '' })
    const expired = await failure(enrol(late.body))
    expect([expired.code, expired.message]).toEqual([usedUp.code, usedUp.message])
    expect((await at.auditLines()).at(-1)).toMatchObject({ reason: 'auth-expired' })
  })

  test('an open organisation takes everybody at once, until its end; then by approval', async () => {
    const { at, enrol } = await desk()
    await setAuth(at.trustee, { ...order(), name: 'PROD', open: true, uses: 1 })
    const body = async (clientName: string) =>
      (await makeEnrolment({ organisation: 'PROD', clientName })).body
    expect((await enrol(await body('one'))).state).toBe('active')
    expect((await enrol(await body('two'))).state).toBe('waiting')
    const stale = await makeEnrolment({ organisation: 'PROD', auth: 'a secret of before' })
    expect((await failure(enrol(stale.body))).code).toBe('ERR_NOT_AUTHENTICATED')
  })

  test('a client of a renamed organisation renews by its uuid; a name that looks like one is no other', async () => {
    const { at, auth, organisation, enrol } = await desk()
    const { body } = await makeEnrolment({ organisation: 'PROD', auth })
    const { client } = await enrol(body)
    await renameOrganisation(at.trustee, { ...order(), name: 'PROD', newName: 'LIVE' })
    expect((await failure(enrol(body))).code).toBe('ERR_NOT_AUTHENTICATED')
    await addOrganisation(at.trustee, { ...order(), name: organisation.uuid, contacts: [] })
    const { auth: _, ...renewal } = { ...body, organisation: organisation.uuid }
    expect(await enrol(renewal)).toMatchObject({ client, state: 'active' })
  })

  test('only so many wait', async () => {
    const { enrol } = await desk()
    for (const clientName of ['one', 'two'])
      await enrol((await makeEnrolment({ organisation: 'PROD', clientName })).body)
    const { body } = await makeEnrolment({ organisation: 'PROD', clientName: 'three' })
    expect((await failure(enrol(body))).code).toBe('ERR_QUOTA')
  })

  test('wrong secret, unknown, suspended and secretless organisation: one answer, nothing stored', async () => {
    const { at, auth, enrol } = await desk()
    await addOrganisation(at.trustee, { ...order(), name: 'SUSPENDED', contacts: [] })
    await setOrganisationState(at.trustee, { ...order(), name: 'SUSPENDED', state: 'suspended' })
    await addOrganisation(at.trustee, { ...order(), name: 'APPROVAL', contacts: [] })
    await setAuth(at.trustee, { ...order(), name: 'APPROVAL', auth: '' })
    const answers = new Set<string>()
    for (const [organisation, secret] of [
      ['PROD', 'wrong'],
      ['ABSENT', auth],
      ['SUSPENDED', auth],
      ['APPROVAL', auth],
      ['APPROVAL', ''],
    ] as const) {
      const { body } = await makeEnrolment({ organisation, auth: secret })
      const { code, message } = await failure(enrol(body))
      answers.add(`${code} ${message}`)
    }
    const { body } = await makeEnrolment({ organisation: 'ABSENT' })
    const open = await failure(enrol(body))
    answers.add(`${open.code} ${open.message}`)
    expect([...answers]).toEqual([
      'ERR_NOT_AUTHENTICATED organisation or auth secret is not accepted',
    ])
    expect(await at.store.listClients({})).toEqual([])
    expect((await at.auditLines()).at(-1)).toMatchObject({
      operation: 'enrol',
      outcome: 'refused',
      reason: 'auth',
    })
  })

  test('an unknown organisation costs the work of a known one', async () => {
    const { enrol } = await desk()
    const time = async (organisation: string) => {
      const { body } = await makeEnrolment({ organisation, auth: 'wrong' })
      const start = process.cpuUsage()
      await failure(enrol(body))
      const { user, system } = process.cpuUsage(start)
      return user + system
    }
    await time('PROD')
    const known = Math.min(await time('PROD'), await time('PROD'))
    const unknown = Math.min(await time('ABSENT'), await time('ABSENT'))
    // scrypt is all but all of it; without it the ratio would be below a tenth.
    expect(unknown / known).toBeGreaterThan(0.3)
  })

  test('an organisation row written by a database administrator enrols nobody', async () => {
    const { at, auth, organisation, enrol } = await desk()
    await at.store.withTransaction((transaction) =>
      transaction.insertOrganisation({ ...organisation, uuid: newUuid(), name: 'FORGED' }),
    )
    const { body } = await makeEnrolment({ organisation: 'FORGED', auth })
    expect((await failure(enrol(body))).code).toBe('ERR_NOT_AUTHENTICATED')
    const lines = (await at.auditLines()).filter(({ outcome }) => outcome === 'integrity')
    expect(lines).toHaveLength(1)
  })

  test('a disabled client gets no certificate, nor does one whose row was changed', async () => {
    const { at, auth, enrol } = await desk()
    const { body } = await makeEnrolment({ organisation: 'PROD', auth })
    const { client } = await enrol(body)
    const disabled = await change(at, client, 'disable')
    expect((await failure(enrol(body))).code).toBe('ERR_NOT_ALLOWED')
    await at.store.withTransaction((transaction) =>
      transaction.updateClient({ ...disabled, state: 'active' }),
    )
    expect((await failure(enrol(body))).code).toBe('ERR_NOT_AUTHENTICATED')
    await expect(change(at, client, 'enable')).rejects.toMatchObject({ code: 'ERR_INTEGRITY' })
  })

  test('too many wrong secrets are refused before any work', async () => {
    const { at, auth, enrol } = await desk()
    const { body } = await makeEnrolment({ organisation: 'PROD', auth: 'wrong' })
    const request = await parseEnrolment(body)
    const attempts = createAttemptLimit(at.clock, {
      perPeer: 2,
      perOrganisation: 9,
      windowMs: 60_000,
      concurrent: 2,
    })
    const attempt = (secret: string) =>
      enrolClient(
        at.trustee,
        { authority, attempts },
        { requestId: newUuid(), peer: 'p', request: { ...request, auth: secret } },
      )
    await failure(attempt('wrong'))
    await failure(attempt('wrong'))
    expect((await failure(attempt(auth))).code).toBe('ERR_BUSY')
    at.clock.advance(60_000)
    expect((await attempt(auth)).state).toBe('active')
    expect((await enrol({ ...body, auth })).state).toBe('active')
  })
})

describe('parseEnrolment', () => {
  test.each([
    ['identityKey', 'bm8ga2V5'],
    ['identityKey', 'no base64'],
    ['recipient', 'AGE-SECRET-KEY-1XXXX'],
    ['recipient', 'age1short'],
    ['clientName', '../x'],
    ['organisation', 'a b'],
    ['certificateRequest', 'nonsense'],
  ])('refuses %s %j', async (field, value) => {
    const { body } = await makeEnrolment({ organisation: 'PROD' })
    const error = await failure(parseEnrolment({ ...body, [field]: value }))
    expect([error.code, error.faults[0]?.field]).toEqual(['ERR_INVALID_INPUT', field])
  })
})

describe('changeClientState', () => {
  test('approve, disable, enable by uuid or fingerprint; what the state does not allow is refused', async () => {
    const { at, enrol } = await desk()
    const { client } = await enrol((await makeEnrolment({ organisation: 'PROD' })).body)
    const row = await at.store.findClient({ uuid: client as never })
    const fingerprint = row?.keyFingerprint ?? ''
    expect((await failure(change(at, client, 'enable'))).code).toBe('ERR_CONFLICT')
    expect((await change(at, fingerprint, 'approve')).state).toBe('active')
    expect((await change(at, client, 'disable')).state).toBe('disabled')
    expect((await failure(change(at, client, 'approve'))).code).toBe('ERR_CONFLICT')
    expect((await change(at, fingerprint.toUpperCase(), 'enable')).state).toBe('active')
    expect((await failure(change(at, newUuid(), 'disable'))).code).toBe('ERR_NOT_FOUND')
    expect((await failure(change(at, 'name', 'disable'))).code).toBe('ERR_INVALID_INPUT')
    const operations = (await at.auditLines()).map(({ operation }) => operation)
    expect(operations).toEqual(
      expect.arrayContaining(['client-approve', 'client-disable', 'client-enable']),
    )
  })
})
