import { type Handle, newUuid, type Uuid } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import type { Client, Group, Store } from '../../../src/store/store.js'
import { enrol, fingerprintOf, noon, putDeposit } from '../../support/rows.js'

export function describePolicies(current: () => Store): void {
  const newGroup = (client: Client, members: readonly Uuid[] = [client.uuid]): Group => ({
    uuid: newUuid(),
    organisation: client.organisation,
    name: `group-${newUuid().slice(0, 8)}`,
    members,
    createdAt: noon,
    grant: fingerprintOf('group'),
  })
  const save = (group: Group) => current().withTransaction((t) => t.saveGroup(group))

  describe('groups', () => {
    it('are found by uuid, name and member, changed, and deleted', async () => {
      const { client } = await enrol(current())
      const group = newGroup(client)
      await save(group)
      const { uuid, organisation, name } = group
      expect(await current().findGroup({ uuid })).toEqual(group)
      expect(await current().findGroup({ organisation, name })).toEqual(group)
      expect(await current().listGroupsOf(client.uuid)).toEqual([group])
      const empty = { ...group, members: [], grant: fingerprintOf('empty') }
      await save({ ...empty, createdAt: new Date(0) })
      expect(await current().listGroups(organisation)).toEqual([empty])
      expect(await current().listGroupsOf(client.uuid)).toEqual([])
      await current().withTransaction((t) => t.deleteGroup(uuid))
      expect(await current().findGroup({ uuid })).toBeUndefined()
    })

    it('have one name each within an organisation, which must be there', async () => {
      const { client } = await enrol(current())
      const group = newGroup(client)
      await save(group)
      await expect(save({ ...group, uuid: newUuid() })).rejects.toMatchObject({
        code: 'ERR_ALREADY_EXISTS',
      })
      await expect(save({ ...newGroup(client), organisation: newUuid() })).rejects.toMatchObject({
        code: 'ERR_NOT_FOUND',
      })
    })
  })

  it('finds a client by its name within an organisation', async () => {
    const { client } = await enrol(current())
    const { organisation, name } = client
    expect(await current().findClient({ organisation, name })).toEqual(client)
    expect(await current().findClient({ organisation: newUuid(), name })).toBeUndefined()
  })

  describe('findShared', () => {
    it('finds for named clients and members of named groups, by handle and uuids', async () => {
      const { organisation, client: owner } = await enrol(current())
      const reader = (await enrol(current(), organisation)).client
      const member = (await enrol(current(), organisation)).client
      const { deposit, revision } = await putDeposit(current(), owner)
      const group = newGroup(member)
      await save(group)
      const { handle, uuid } = deposit
      const refs = [{ handle }, { uuid }, { uuid: revision.uuid }]
      const found = async (client: Client) =>
        Promise.all(refs.map((ref) => current().findShared(client, ref)))
      expect(await found(reader)).toEqual([undefined, undefined, undefined])
      const readers = [reader.uuid, group.uuid]
      await current().withTransaction((t) => t.saveReaders(uuid, readers))
      const row = { deposit, revision }
      for (const client of [reader, member]) expect(await found(client)).toEqual([row, row, row])
      const stranger = { ...reader, organisation: newUuid() }
      expect(await found(stranger)).toEqual([undefined, undefined, undefined])
      await current().withTransaction((t) => t.saveReaders(uuid, [reader.uuid]))
      expect(await found(member)).toEqual([undefined, undefined, undefined])
      expect((await found(reader))[0]).toEqual(row)
      await current().withTransaction((t) => t.saveReaders(uuid, []))
      expect((await found(reader))[0]).toBeUndefined()
    })

    it('finds nothing by a handle that two owners share with the reader', async () => {
      const { organisation, client: reader } = await enrol(current())
      for (let count = 0; count < 2; count += 1) {
        const owner = (await enrol(current(), organisation)).client
        const { deposit } = await putDeposit(current(), owner, { handle: 'both' as Handle })
        await current().withTransaction((t) => t.saveReaders(deposit.uuid, [reader.uuid]))
      }
      expect(await current().findShared(reader, { handle: 'both' as Handle })).toBeUndefined()
    })
  })

  it('keeps a deposit’s policy, changes it and takes it away', async () => {
    const { client } = await enrol(current())
    const policy = { maxRetrievals: 3, networks: ['192.0.2.0/24'] }
    const { deposit } = await putDeposit(current(), client, { policy })
    expect(await current().findDeposit(deposit)).toEqual(deposit)
    const { policy: _, ...without } = deposit
    await current().withTransaction((t) => t.updateDeposit(without))
    expect(await current().findDeposit(deposit)).toEqual(without)
  })

  it('counts retrievals under a lock: of many at once none is lost', async () => {
    const { client } = await enrol(current())
    const { deposit } = await putDeposit(current(), client)
    const row = { deposit: deposit.uuid, used: 0, grant: fingerprintOf('0') }
    expect(await current().findRetrievalCount(deposit.uuid)).toBeUndefined()
    await current().withTransaction((t) => t.saveRetrievalCount(row))
    const takeOne = () =>
      current().withTransaction(async (t) => {
        const before = await t.lockRetrievalCount(deposit.uuid)
        await t.saveRetrievalCount({ ...row, used: (before?.used ?? 0) + 1 })
      })
    await Promise.all(Array.from({ length: 12 }, takeOne))
    expect(await current().findRetrievalCount(deposit.uuid)).toEqual({ ...row, used: 12 })
  })
}
