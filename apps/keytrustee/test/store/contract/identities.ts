import { newUuid, type Uuid } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import type { Join, Store } from '../../../src/store/store.js'
import {
  clientRow,
  enrol,
  fingerprintOf,
  minutesAfter,
  noon,
  organisationRow,
  pendingPutRow,
  putDeposit,
} from '../../support/rows.js'

export function describeIdentities(current: () => Store): void {
  describeOrganisations(current)
  describeClients(current)
  describeJoin(current)
}

function describeOrganisations(current: () => Store): void {
  describe('organisations', () => {
    it('finds one by uuid and by name, every column as it was given', async () => {
      const row = organisationRow({
        contacts: ['a@example.org', 'quote"back\\slash', ''],
        authHash: undefined,
        open: true,
        authExpiresAt: minutesAfter(noon, 3),
        authUsesLeft: 0,
        recovery: 'age1pq1example',
      })
      await current().withTransaction((transaction) => transaction.insertOrganisation(row))
      expect(await current().findOrganisation({ uuid: row.uuid })).toEqual(row)
      expect(await current().findOrganisation({ name: row.name })).toEqual(row)
    })

    it('finds nothing for an unknown name or uuid', async () => {
      expect(await current().findOrganisation({ uuid: newUuid() })).toBeUndefined()
      expect(await current().findOrganisation({ name: 'nobody' })).toBeUndefined()
    })

    it('lists them in the byte order of names', async () => {
      const unique = newUuid()
      const names = [`B-${unique}`, `a-${unique}`, `A-${unique}`]
      for (const name of names)
        await current().withTransaction((transaction) =>
          transaction.insertOrganisation(organisationRow({ name })),
        )
      const listed = (await current().listOrganisations()).map(({ name }) => name)
      expect(listed.filter((name) => name.endsWith(unique))).toEqual([names[2], names[0], names[1]])
    })

    it('lists them page by page', async () => {
      const unique = newUuid()
      const names = [`P1-${unique}`, `P2-${unique}`, `P3-${unique}`]
      for (const name of names)
        await current().withTransaction((transaction) =>
          transaction.insertOrganisation(organisationRow({ name })),
        )
      const page = await current().listOrganisations({ after: names[0] ?? '', limit: 2 })
      expect(page.map(({ name }) => name)).toEqual([names[1], names[2]])
    })

    it('deletes an organisation with its clients, groups and purged deposits, but no living one', async () => {
      const { organisation, client } = await enrol(current())
      const other = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      const remove = (uuid: Uuid) =>
        current().withTransaction((transaction) => transaction.deleteOrganisation(uuid))
      await expect(remove(organisation.uuid)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
      await current().withTransaction(async (transaction) => {
        await transaction.updateDeposit({ ...deposit, state: 'purging' })
        await transaction.updateDeposit({ ...deposit, state: 'purged' })
        await transaction.insertPendingPut(pendingPutRow(client))
      })
      await expect(remove(organisation.uuid)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
      const pending = (await current().listPendingPuts()).find((row) => row.client === client.uuid)
      await current().withTransaction(async (transaction) => {
        if (pending)
          await transaction.deletePendingPut(pending.requestId, client.uuid, pending.handle)
      })
      await remove(organisation.uuid)
      expect(await current().findOrganisation({ uuid: organisation.uuid })).toBeUndefined()
      expect(await current().findClient({ uuid: client.uuid })).toBeUndefined()
      expect(await current().findDepositByUuid(deposit.uuid)).toBeUndefined()
      expect(await current().findClient({ uuid: other.client.uuid })).toEqual(other.client)
      await expect(remove(organisation.uuid)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    })

    it('refuses a taken uuid or name', async () => {
      const { organisation } = await enrol(current())
      for (const clash of [{ uuid: organisation.uuid }, { name: organisation.name }]) {
        const insert = current().withTransaction((transaction) =>
          transaction.insertOrganisation(organisationRow(clash)),
        )
        await expect(insert).rejects.toMatchObject({ code: 'ERR_ALREADY_EXISTS' })
      }
    })

    it('updates all but its creation, and refuses an unknown one and a taken name', async () => {
      const { organisation } = await enrol(current())
      const other = (await enrol(current())).organisation
      const changed = {
        ...organisation,
        state: 'suspended' as const,
        authHash: undefined,
        contacts: [],
        open: true,
        authExpiresAt: minutesAfter(noon, 4),
        authUsesLeft: 7,
        recovery: 'age1pq1other',
        grant: fingerprintOf('other'),
        createdAt: minutesAfter(noon, 9),
      }
      const update = (row: typeof changed) =>
        current().withTransaction((transaction) => transaction.updateOrganisation(row))
      await update(changed)
      expect(await current().findOrganisation({ uuid: organisation.uuid })).toEqual({
        ...changed,
        createdAt: noon,
      })
      await expect(
        update({ ...changed, uuid: newUuid(), name: 'unheard-of' }),
      ).rejects.toMatchObject({
        code: 'ERR_NOT_FOUND',
      })
      await expect(update({ ...changed, name: other.name })).rejects.toMatchObject({
        code: 'ERR_ALREADY_EXISTS',
      })
    })
  })
}

function describeClients(current: () => Store): void {
  describe('clients', () => {
    it('finds one by uuid, with its organisation, and by the key of its certificate', async () => {
      const { organisation, client } = await enrol(current())
      expect(await current().findClient({ uuid: client.uuid })).toEqual(client)
      expect(await current().findClient({ keyFingerprint: client.keyFingerprint })).toEqual(client)
      expect(await current().findCaller(client.uuid)).toEqual({ client, organisation })
      expect(await current().findCaller(organisation.uuid)).toBeUndefined()
      expect(
        await current().findClient({ keyFingerprint: fingerprintOf('no key') }),
      ).toBeUndefined()
    })

    it('filters its list by organisation and state', async () => {
      const { organisation, client } = await enrol(current())
      const waiting = clientRow(organisation.uuid, { state: 'waiting' })
      await current().withTransaction((transaction) => transaction.insertClient(waiting))
      await enrol(current())
      expect(await current().listClients({ organisation: organisation.uuid })).toEqual([
        client,
        waiting,
      ])
      expect(
        await current().listClients({ organisation: organisation.uuid, state: 'waiting' }),
      ).toEqual([waiting])
      expect((await current().listClients({ state: 'waiting' })).map(({ uuid }) => uuid)).toContain(
        waiting.uuid,
      )
      expect((await current().listClients({})).length).toBeGreaterThanOrEqual(3)
    })

    it('lists page by page in the order of names', async () => {
      const { organisation, client } = await enrol(current())
      const second = clientRow(organisation.uuid)
      const third = clientRow(organisation.uuid)
      for (const row of [third, second])
        await current().withTransaction((transaction) => transaction.insertClient(row))
      const of = { organisation: organisation.uuid, limit: 1 }
      const sorted = [client, second, third].sort((a, b) => (a.name < b.name ? -1 : 1))
      expect(await current().listClients(of)).toEqual(sorted.slice(0, 1))
      const after = { ...of, after: sorted[0]?.uuid as Uuid }
      expect(await current().listClients(after)).toEqual(sorted.slice(1, 2))
      expect(await current().listClients({ ...of, after: newUuid() })).toEqual([])
    })

    it('refuses a taken uuid, key or name within the organisation, but the name in another', async () => {
      const { organisation, client } = await enrol(current())
      const elsewhere = await enrol(current())
      const clashes = [
        { uuid: client.uuid },
        { keyFingerprint: client.keyFingerprint },
        { name: client.name },
      ]
      for (const clash of clashes) {
        const insert = current().withTransaction((transaction) =>
          transaction.insertClient(clientRow(organisation.uuid, clash)),
        )
        await expect(insert).rejects.toMatchObject({ code: 'ERR_ALREADY_EXISTS' })
      }
      await current().withTransaction((transaction) =>
        transaction.insertClient(clientRow(elsewhere.organisation.uuid, { name: client.name })),
      )
    })

    it('refuses one of an unknown organisation', async () => {
      const insert = current().withTransaction((transaction) =>
        transaction.insertClient(clientRow(newUuid())),
      )
      await expect(insert).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    })

    it('updates all but organisation and creation; the old key finds nothing any more', async () => {
      const { client } = await enrol(current())
      const elsewhere = await enrol(current())
      const changed = {
        ...client,
        name: `renamed-${client.uuid}`,
        state: 'disabled' as const,
        keyFingerprint: fingerprintOf(`renewed ${client.uuid}`),
        identityKey: 'other',
        recipient: 'age1other',
        recipientSignature: 'signed',
        reenrolment: { hash: 'scrypt', until: minutesAfter(noon, 5) },
        grant: fingerprintOf('regranted'),
      }
      await current().withTransaction((transaction) =>
        transaction.updateClient({ ...changed, organisation: elsewhere.organisation.uuid }),
      )
      expect(await current().findClient({ uuid: client.uuid })).toEqual(changed)
      expect(await current().findClient({ keyFingerprint: client.keyFingerprint })).toBeUndefined()
    })

    it('refuses to update an unknown one, or to take another’s key', async () => {
      const { organisation, client } = await enrol(current())
      const other = await enrol(current())
      const update = (row: typeof client) =>
        current().withTransaction((transaction) => transaction.updateClient(row))
      await expect(update(clientRow(organisation.uuid))).rejects.toMatchObject({
        code: 'ERR_NOT_FOUND',
      })
      await expect(
        update({ ...client, keyFingerprint: other.client.keyFingerprint }),
      ).rejects.toMatchObject({ code: 'ERR_ALREADY_EXISTS' })
    })
  })
}

function describeJoin(current: () => Store): void {
  it('keeps one join, the last saved', async () => {
    const first: Join = {
      url: 'https://127.0.0.1:9090',
      realm: 'realm-1',
      canary: fingerprintOf('canary'),
      domain: 'domain-1',
      joinedAt: noon,
    }
    expect(await current().findJoin()).toBeUndefined()
    await current().withTransaction((transaction) => transaction.saveJoin(first))
    expect(await current().findJoin()).toEqual(first)
    const second = { ...first, realm: 'realm-2', joinedAt: minutesAfter(noon, 1) }
    await current().withTransaction((transaction) => transaction.saveJoin(second))
    expect(await current().findJoin()).toEqual(second)
  })
}
