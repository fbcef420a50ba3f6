import { newUuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { verifyAuthSecret } from '../../src/organisations/auth-secret.js'
import {
  addOrganisation,
  setAuth,
  setOrganisationState,
} from '../../src/organisations/organisation-orders.js'
import { makeSurroundings } from '../support/surroundings.js'

const order = () => ({ requestId: newUuid(), actor: 'alice' })

async function withOrganisation() {
  const at = await makeSurroundings()
  const { organisation, auth } = await addOrganisation(at.trustee, {
    ...order(),
    name: 'PROD',
    contacts: ['a@b'],
  })
  return { at, organisation, auth }
}

describe('organisations', () => {
  test('are added with a secret that only its hash remembers, audited under the administrator', async () => {
    const { at, organisation, auth } = await withOrganisation()
    const row = await at.store.findOrganisation({ name: 'PROD' })
    expect(row).toEqual(organisation)
    expect(row && at.grants.believesOrganisation(row)).toBe(true)
    expect(await verifyAuthSecret(auth, row?.authHash)).toBe(true)
    expect(JSON.stringify([row, await at.auditLines()])).not.toContain(auth)
    expect((await at.auditLines())[0]).toMatchObject({ operation: 'org-add', actor: 'alice' })
    const again = addOrganisation(at.trustee, { ...order(), name: 'PROD', contacts: [] })
    await expect(again).rejects.toMatchObject({ code: 'ERR_ALREADY_EXISTS' })
  })

  test('get another secret: made, chosen, or none', async () => {
    const { at, auth } = await withOrganisation()
    const made = await setAuth(at.trustee, { ...order(), name: 'PROD' })
    expect(await verifyAuthSecret(made.auth ?? '', made.organisation.authHash)).toBe(true)
    expect(await verifyAuthSecret(auth, made.organisation.authHash)).toBe(false)
    const chosen = await setAuth(at.trustee, {
      ...order(),
      name: 'PROD',
      auth: 'long enough secret',
    })
    expect(chosen.auth).toBeUndefined()
    expect(await verifyAuthSecret('long enough secret', chosen.organisation.authHash)).toBe(true)
    const none = await setAuth(at.trustee, { ...order(), name: 'PROD', auth: '' })
    expect(none.organisation.authHash).toBeUndefined()
    const short = setAuth(at.trustee, { ...order(), name: 'PROD', auth: 'short' })
    await expect(short).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
  })

  test('are suspended and enabled; doing it twice is harmless', async () => {
    const { at } = await withOrganisation()
    const set = (state: 'active' | 'suspended') =>
      setOrganisationState(at.trustee, { ...order(), name: 'PROD', state })
    expect((await set('suspended')).state).toBe('suspended')
    expect((await set('suspended')).state).toBe('suspended')
    expect((await set('active')).state).toBe('active')
    const absent = setOrganisationState(at.trustee, { ...order(), name: 'DEV', state: 'active' })
    await expect(absent).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  test('a row that was changed in the database is not signed again', async () => {
    const { at, organisation } = await withOrganisation()
    await at.store.withTransaction((transaction) =>
      transaction.updateOrganisation({ ...organisation, authHash: 'mine' }),
    )
    const orders = [
      setAuth(at.trustee, { ...order(), name: 'PROD' }),
      setOrganisationState(at.trustee, { ...order(), name: 'PROD', state: 'suspended' }),
    ]
    for (const refused of orders)
      await expect(refused).rejects.toMatchObject({ code: 'ERR_INTEGRITY' })
    expect((await at.auditLines()).at(-1)).toMatchObject({ outcome: 'integrity' })
  })
})
