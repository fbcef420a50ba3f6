import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newUuid, type Uuid } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { applySince, holdAll } from '../../src/backup/apply-replay.js'
import { openHolds, writeHolds } from '../../src/backup/holds.js'
import { releaseHolds } from '../../src/backup/release-holds.js'
import { readSince } from '../../src/backup/replay.js'
import { audited } from '../../src/audited.js'
import { changeClientState } from '../../src/clients/change-client-state.js'
import { purgeDeposit } from '../../src/deposits/purge-deposit.js'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { retrieveDeposit } from '../../src/deposits/retrieve-deposit.js'
import { addCaller, makeSurroundings, putRequest } from '../support/surroundings.js'

async function withDeposit() {
  const made = await makeSurroundings()
  const caller = await addCaller(made)
  const deposit = await putDeposit(made.trustee, caller, putRequest('one', 'content'))
  const get = () => {
    const order = { requestId: newUuid(), ref: deposit.handle, from: '127.0.0.1' }
    return retrieveDeposit(made.trustee, caller, order)
  }
  return { ...made, caller, deposit, get }
}

describe('what a restore left held', () => {
  it('is refused, audited, and served again once released, also by the next process', async () => {
    const { trustee, directory, deposit, caller, get, auditLines } = await withDeposit()
    const file = join(directory, 'holds.json')
    await writeHolds(file, { clients: [caller.client.uuid], deposits: [deposit.uuid as Uuid] })
    const holds = await openHolds(file)
    Object.assign(trustee, { holds })
    await expect(get()).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' })
    expect((await auditLines()).at(-1)).toMatchObject({ outcome: 'refused', reason: 'held' })
    const order = { requestId: newUuid(), actor: 'alice' }
    await expect(releaseHolds(trustee, { ...order, uuids: [newUuid()] })).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    })
    expect(await releaseHolds(trustee, { ...order, all: true })).toBe(2)
    await get()
    expect((await openHolds(file)).list()).toEqual({ clients: [], deposits: [] })
  })

  it('keeps a server from starting when it cannot be read', async () => {
    const { directory } = await makeSurroundings()
    const file = join(directory, 'holds.json')
    await writeFile(file, '{"format":"keytrustee-holds-1","clients":[1]}')
    await expect(openHolds(file)).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
  })

  it('is every client when nothing is known', async () => {
    const { store, caller } = await withDeposit()
    expect(await holdAll({ store })).toEqual({ clients: [caller.client.uuid], deposits: [] })
  })
})

describe('the audit of a lost host', () => {
  it('takes away again what was taken away after the backup, and names what was stored', async () => {
    const { trustee, store, directory, caller, deposit, clock } = await withDeposit()
    const head = trustee.audit.head()
    const order = { requestId: newUuid(), actor: 'alice' }
    const later = await putDeposit(trustee, caller, putRequest('later', 'x'))
    const before = await store.findClient({ uuid: caller.client.uuid })
    await changeClientState(trustee, { ...order, ref: caller.client.uuid, action: 'disable' })
    await purgeDeposit(trustee, order, deposit.uuid as Uuid)
    const since = await readSince(join(directory, 'audit'), head.sequence)
    expect(since.lost.map(({ handle }) => handle)).toEqual([later.handle])
    expect([...since.purgedDeposits.keys()]).toEqual([deposit.uuid])
    // The rows as the backup has them.
    if (before) await store.withTransaction((transaction) => transaction.updateClient(before))
    const other = await makeSurroundings({ store })
    const restoring = { ...trustee, revocations: other.trustee.revocations, clock }
    const { applied } = await applySince({ ...restoring, actor: 'root', undeleteMs: 1 }, since, 1)
    expect(applied).toMatchObject({ clientsDisabled: 1, depositsPurged: 1 })
    expect((await store.findClient({ uuid: caller.client.uuid }))?.state).toBe('disabled')
    expect(other.trustee.revocations.has(deposit.uuid as Uuid)).toBe(true)
  })

  it('forgets a disable that was taken back', async () => {
    const { trustee, directory, caller } = await withDeposit()
    const order = { requestId: newUuid(), actor: 'alice', ref: caller.client.uuid }
    await changeClientState(trustee, { ...order, action: 'disable' })
    await changeClientState(trustee, { ...order, action: 'enable' })
    expect((await readSince(join(directory, 'audit'), 0)).disabledClients.size).toBe(0)
  })

  it('counts an operation as done of which only the beginning is known', async () => {
    const { trustee, directory, caller } = await withDeposit()
    const subjects = [{ client: caller.client.uuid }]
    const operation = { operation: 'client-disable', requestId: newUuid(), actor: 'a', subjects }
    const failing = audited(trustee.audit, operation, 'done', () => Promise.reject(new Error('x')))
    await expect(failing).rejects.toThrow()
    expect((await readSince(join(directory, 'audit'), 0)).disabledClients.size).toBe(1)
  })
})
