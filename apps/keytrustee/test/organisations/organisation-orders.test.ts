import { newUuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { verifyAuthSecret } from '../../src/organisations/auth-secret.js'
import {
  addOrganisation,
  deleteOrganisation,
  renameOrganisation,
  setOrganisationState,
  setRecovery,
} from '../../src/organisations/organisation-orders.js'
import { setAuth } from '../../src/organisations/set-auth.js'
import { clientRow, depositRow, revisionRow } from '../support/rows.js'
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

  test.each([
    [{ auth: 'long enough secret', open: true }, 'open'],
    [{ auth: '', uses: 3 }, 'auth'],
    [{ auth: '', expiresInMs: 1000 }, 'auth'],
    [{ auth: 'short' }, 'auth'],
  ])('a way of enrolment that contradicts itself is refused: %j', async (wish, field) => {
    const { at, organisation } = await withOrganisation()
    const refused = setAuth(at.trustee, { ...order(), name: 'PROD', ...wish })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT', faults: [{ field }] })
    expect(await at.store.findOrganisation({ name: 'PROD' })).toEqual(organisation)
  })

  test('a new way of enrolment replaces the limits of the one before', async () => {
    const { at } = await withOrganisation()
    const limited = { expiresInMs: 60_000, uses: 5 }
    const first = await setAuth(at.trustee, { ...order(), name: 'PROD', ...limited })
    const authExpiresAt = new Date(at.clock.now().getTime() + 60_000)
    expect(first.organisation).toMatchObject({ authUsesLeft: 5, authExpiresAt })
    const open = await setAuth(at.trustee, { ...order(), name: 'PROD', open: true })
    expect(open.auth).toBeUndefined()
    expect(open.organisation).toMatchObject({ open: true, authHash: undefined })
    expect(open.organisation.authUsesLeft).toBeUndefined()
    const lines = await at.auditLines()
    expect(lines.map(({ subject }) => subject)).toContainEqual(
      expect.objectContaining({ enrolment: 'open' }),
    )
  })

  test('are renamed: the uuid stays, the old name is free, a taken one is refused', async () => {
    const { at, organisation } = await withOrganisation()
    await addOrganisation(at.trustee, { ...order(), name: 'DEV', contacts: [] })
    const rename = (name: string, newName: string) =>
      renameOrganisation(at.trustee, { ...order(), name, newName })
    await expect(rename('PROD', 'DEV')).rejects.toMatchObject({ code: 'ERR_ALREADY_EXISTS' })
    await expect(rename('PROD', 'a b')).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
    const renamed = await rename('PROD', 'LIVE')
    expect(renamed).toMatchObject({ uuid: organisation.uuid, name: 'LIVE' })
    expect(at.grants.believesOrganisation(renamed)).toBe(true)
    await expect(rename('PROD', 'OTHER')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  test('are deleted only without deposits, and without clients that could come', async () => {
    const { at, organisation } = await withOrganisation()
    const remove = () => deleteOrganisation(at.trustee, { ...order(), name: 'PROD' })
    const client = at.grants.client(clientRow(organisation.uuid, { state: 'waiting' }))
    const deposit = depositRow(client, { state: 'disabled' })
    await at.store.withTransaction((transaction) => transaction.insertClient(client))
    await expect(remove()).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      message: 'organisation PROD still has waiting clients',
    })
    await at.store.withTransaction(async (transaction) => {
      await transaction.updateClient({ ...client, state: 'disabled' })
      await transaction.insertDeposit(deposit, revisionRow(deposit))
    })
    await expect(remove()).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      message: 'organisation PROD still has deposits',
    })
    await at.store.withTransaction(async (transaction) => {
      await transaction.updateDeposit({ ...deposit, state: 'purged' })
    })
    expect((await remove()).uuid).toBe(organisation.uuid)
    expect(await at.store.findOrganisation({ name: 'PROD' })).toBeUndefined()
    expect(await at.store.listClients({})).toEqual([])
    await expect(remove()).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    const outcomes = (await at.auditLines()).filter(({ operation }) => operation === 'org-delete')
    expect(outcomes.map(({ outcome }) => outcome ?? 'intent')).toEqual([
      'intent',
      'refused',
      'intent',
      'refused',
      'intent',
      'done',
    ])
  })

  test('name a recovery recipient that clients can seal for, and take it back', async () => {
    const { at } = await withOrganisation()
    const set = (recipient: string | undefined) =>
      setRecovery(at.trustee, { ...order(), name: 'PROD', recipient })
    for (const unusable of [`age1${'q'.repeat(58)}`, 'age1pq1short', 'AGE-SECRET-KEY-1X'])
      await expect(set(unusable)).rejects.toMatchObject({
        code: 'ERR_INVALID_INPUT',
        faults: [{ field: 'recipient' }],
      })
    const recipient = `age1pq1${'q'.repeat(1952)}`
    expect((await set(recipient)).recovery).toBe(recipient)
    expect((await set(undefined)).recovery).toBeUndefined()
  })

  test('a row that was changed in the database is not signed again', async () => {
    const { at, organisation } = await withOrganisation()
    await at.store.withTransaction((transaction) =>
      transaction.updateOrganisation({ ...organisation, authHash: 'mine' }),
    )
    const of = { ...order(), name: 'PROD' }
    const orders = [
      () => setAuth(at.trustee, of),
      () => setOrganisationState(at.trustee, { ...of, state: 'suspended' }),
      () => renameOrganisation(at.trustee, { ...of, newName: 'LIVE' }),
      () => deleteOrganisation(at.trustee, of),
    ]
    for (const refused of orders)
      await expect(refused()).rejects.toMatchObject({ code: 'ERR_INTEGRITY' })
    expect((await at.auditLines()).at(-1)).toMatchObject({ outcome: 'integrity' })
  })
})
