import { X509Certificate } from 'node:crypto'
import { newUuid } from '@keyhsm/core'
import { makeAuthority } from '@keyhsm/service'
import { beforeAll, describe, expect, test } from 'vitest'
import { changeClientState } from '../../src/clients/change-client-state.js'
import { openClientAuthority } from '../../src/clients/client-authority.js'
import { type EnrolmentDesk, enrolClient } from '../../src/clients/enrol-client.js'
import { parseEnrolment } from '../../src/clients/enrolment-request.js'
import { identifyClient } from '../../src/clients/identify-client.js'
import { orderReenrolment } from '../../src/clients/reenrol-client.js'
import { createAttemptLimit } from '../../src/organisations/attempt-limit.js'
import {
  addOrganisation,
  setOrganisationState,
} from '../../src/organisations/organisation-orders.js'
import { makeEnrolment } from '../support/running-server.js'
import { makeSurroundings } from '../support/surroundings.js'

let authority: EnrolmentDesk['authority']
beforeAll(async () => {
  authority = openClientAuthority(await makeAuthority({ commonName: 'test', days: 10 }))
})

const order = () => ({ requestId: newUuid(), actor: 'alice' })
const refused = { code: 'ERR_NOT_AUTHENTICATED' }

/** A client that was active, and the code for it to come back. */
async function lost() {
  const at = await makeSurroundings()
  const { auth } = await addOrganisation(at.trustee, { ...order(), name: 'PROD', contacts: [] })
  const attempts = createAttemptLimit(at.clock)
  const enrol = async (body: Parameters<typeof parseEnrolment>[0]) =>
    enrolClient(
      at.trustee,
      { authority, attempts },
      { requestId: newUuid(), peer: 'p', request: await parseEnrolment(body) },
    )
  const identify = (pem = '') => identifyClient(at.trustee, authority, new X509Certificate(pem))
  const { auth: _, ...old } = (await makeEnrolment({ organisation: 'PROD', auth })).body
  const { client: ref, certificate } = await enrol({ ...old, auth })
  const reenrol = (expiresInMs = 60_000) =>
    orderReenrolment(at.trustee, { ...order(), ref, expiresInMs })
  const { code } = await reenrol()
  const comeBack = async (some: object = {}) => ({
    ...(await makeEnrolment({ organisation: 'PROD' })).body,
    code,
    ...some,
  })
  return { at, auth, ref, code, old, certificate, enrol, identify, reenrol, comeBack }
}

describe('re-enrolment', () => {
  test('ends the old key at once; the code gives the same client new keys, once', async () => {
    const { at, ref, code, old, certificate, enrol, identify, comeBack } = await lost()
    expect(await identify(certificate)).toBeUndefined()
    await expect(enrol(old)).rejects.toMatchObject({
      code: 'ERR_NOT_ALLOWED',
    })
    const body = await comeBack()
    const back = await enrol(body)
    expect(back).toMatchObject({ client: ref, state: 'active' })
    expect((await identify(back.certificate))?.client.uuid).toBe(ref)
    expect(await identify(certificate)).toBeUndefined()
    expect((await enrol(body)).client).toBe(ref)
    await expect(enrol(await comeBack())).rejects.toMatchObject(refused)
    const lines = await at.auditLines()
    expect(lines.filter(({ operation }) => operation === 'reenrol').at(-1)).toMatchObject({
      outcome: 'refused',
      reason: 'code',
    })
    expect(JSON.stringify([lines, await at.store.listClients({})])).not.toContain(code)
  })

  test('the code fits nobody else, and the old key never comes back by it', async () => {
    const { auth, code, old, enrol, comeBack } = await lost()
    const stranger = { ...(await comeBack()), clientName: 'client-2' }
    await expect(enrol(stranger)).rejects.toMatchObject(refused)
    await expect(enrol(await comeBack({ organisation: 'OTHER' }))).rejects.toMatchObject(refused)
    await expect(enrol(await comeBack({ code: 'wrong' }))).rejects.toMatchObject(refused)
    await expect(enrol(await comeBack({ code: '' }))).rejects.toMatchObject(refused)
    await expect(enrol(await comeBack({ auth }))).rejects.toMatchObject({
      code: 'ERR_INVALID_INPUT',
    })
    await expect(enrol({ ...old, code })).rejects.toMatchObject({
      code: 'ERR_ALREADY_EXISTS',
    })
  })

  test('two that come with one code: one is in', async () => {
    const { enrol, comeBack } = await lost()
    const raced = await Promise.allSettled([enrol(await comeBack()), enrol(await comeBack())])
    expect(raced.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test('the code ends by time, by another one, by disable and enable, with its organisation', async () => {
    const { at, ref, enrol, identify, certificate, reenrol, comeBack } = await lost()
    at.clock.advance(60_000)
    await expect(enrol(await comeBack())).rejects.toMatchObject(refused)
    const second = await reenrol()
    await expect(enrol(await comeBack())).rejects.toMatchObject(refused)
    const suspend = (state: 'active' | 'suspended') =>
      setOrganisationState(at.trustee, { ...order(), name: 'PROD', state })
    await suspend('suspended')
    await expect(enrol(await comeBack({ code: second.code }))).rejects.toMatchObject(refused)
    await suspend('active')
    await changeClientState(at.trustee, { ...order(), ref, action: 'disable' })
    await expect(enrol(await comeBack({ code: second.code }))).rejects.toMatchObject(refused)
    const third = await reenrol()
    await changeClientState(at.trustee, { ...order(), ref, action: 'enable' })
    await expect(enrol(await comeBack({ code: third.code }))).rejects.toMatchObject(refused)
    expect((await identify(certificate))?.client.uuid).toBe(ref)
  })

  test('is ordered for nobody who waits, is unknown, or whose row was changed', async () => {
    const { at, ref, reenrol, enrol } = await lost()
    const waiting = await enrol(
      (await makeEnrolment({ organisation: 'PROD', clientName: 'client-9' })).body,
    )
    const of = (who: string) =>
      orderReenrolment(at.trustee, { ...order(), ref: who, expiresInMs: 1000 })
    await expect(of(waiting.client)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    await expect(of(newUuid())).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    const row = await at.store.findClient({ uuid: ref as never })
    await at.store.withTransaction(async (transaction) => {
      if (row) await transaction.updateClient({ ...row, name: 'other' })
    })
    await expect(reenrol()).rejects.toMatchObject({ code: 'ERR_INTEGRITY' })
  })
})
