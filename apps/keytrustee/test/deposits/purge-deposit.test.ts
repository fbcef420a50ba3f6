import { appendFile, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError, newUuid, type Uuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { purgeDeposit, resumePurges, reviveRevocations } from '../../src/deposits/purge-deposit.js'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { removeDeposit } from '../../src/deposits/remove-deposit.js'
import { retrieveDeposit } from '../../src/deposits/retrieve-deposit.js'
import { openRevocationLog } from '../../src/deposits/revocation-log.js'
import { openMemoryStore } from '../../src/store/memory-store.js'
import type { Caller } from '../../src/trustee.js'
import {
  addCaller,
  makeSurroundings,
  putRequest,
  type Surroundings,
} from '../support/surroundings.js'

const get = (at: Surroundings, caller: Caller, ref: string) =>
  retrieveDeposit(at.trustee, caller, { requestId: newUuid(), ref, from: '127.0.0.1' })

const purge = (at: Surroundings, uuid: string, actor = 'somebody') =>
  purgeDeposit(at.trustee, { requestId: newUuid(), actor }, uuid as Uuid)

const put = (at: Surroundings, caller: Caller, handle: string, content = 'content') =>
  putDeposit(at.trustee, caller, putRequest(handle, content))

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: unknown) => (error as DomainError).code,
  )

function hsmDown(at: Surroundings): () => void {
  at.keyHsm.before = (verb) => {
    if (verb === 'revoke') throw new DomainError('ERR_HSM_UNAVAILABLE', 'down')
  }
  return () => {
    at.keyHsm.before = () => undefined
  }
}

describe('purgeDeposit', () => {
  test('revokes the key of every revision, drops the bytes, frees the handle, says so in the audit', async () => {
    const at = await makeSurroundings()
    const owner = await addCaller(at)
    const first = await put(at, owner, 'mine')
    await put(at, owner, 'mine', 'second')
    await put(at, owner, 'other')
    expect(at.keyHsm.keys.size).toBe(3)
    const purged = await purge(at, first.uuid)
    expect(purged).toMatchObject({ revokedKeys: 2, sharedRevisions: 0 })
    expect(purged.deposit.state).toBe('purged')
    expect(at.keyHsm.keys.size).toBe(1)
    for (const revision of [1, 2])
      expect((await at.store.findRevision(first.uuid as Uuid, revision))?.stored).toHaveLength(0)
    for (const ref of [first.uuid, first.revisionUuid])
      expect(await codeOf(get(at, owner, ref))).toBe('ERR_IRRETRIEVABLE')
    expect(await codeOf(get(at, owner, 'mine'))).toBe('ERR_NOT_FOUND')
    const again = await put(at, owner, 'mine', 'new life')
    expect([again.revision, again.uuid === first.uuid]).toEqual([1, false])
    expect((await get(at, owner, 'other')).content.toString()).toBe('content')
    const outcomes = (await at.auditLines())
      .filter(({ operation, event }) => operation.startsWith('purge') && event === 'outcome')
      .map(({ operation, outcome }) => [operation, outcome])
    expect(outcomes).toEqual([
      ['purge', 'done'],
      ['purge-keys', 'revoked'],
    ])
    const [row] = await at.store.listRevocations(5)
    expect(row).toMatchObject({ deposit: first.uuid, orderedBy: 'somebody', sharedRevisions: 0 })
    expect(row?.doneAt).toBeInstanceOf(Date)
    expect(await purge(at, first.uuid)).toMatchObject({ deposit: { state: 'purged' } })
  })

  test('HSM down: unreadable at once, the handle is not free, finished when the HSM is back', async () => {
    const at = await makeSurroundings()
    const owner = await addCaller(at)
    const { uuid } = await put(at, owner, 'mine')
    const up = hsmDown(at)
    expect((await purge(at, uuid)).deposit.state).toBe('purging')
    expect(await codeOf(get(at, owner, 'mine'))).toBe('ERR_IRRETRIEVABLE')
    expect(await codeOf(put(at, owner, 'mine'))).toBe('ERR_DISABLED')
    const removal = removeDeposit(at.trustee, owner, { requestId: newUuid(), ref: 'mine' })
    expect((await removal).state).toBe('purging')
    expect(await resumePurges(at.trustee)).toEqual({ done: 0, left: 1, refused: 0 })
    up()
    expect(await resumePurges(at.trustee)).toEqual({ done: 1, left: 0, refused: 0 })
    expect(at.keyHsm.keys.size).toBe(0)
    expect(await resumePurges(at.trustee)).toEqual({ done: 0, left: 0, refused: 0 })
    expect((await put(at, owner, 'mine')).revision).toBe(1)
  })

  test('a put that raced with it stores nothing, and its key is gone', async () => {
    const at = await makeSurroundings()
    const owner = await addCaller(at)
    const { uuid } = await put(at, owner, 'mine')
    let purged: unknown
    at.keyHsm.before = async (verb, count) => {
      // Another server process: the queue of this one must not help.
      const other = { ...at.trustee, queue: (await makeSurroundings()).trustee.queue }
      if (verb === 'seal' && count === 2)
        purged = await purgeDeposit(other, { requestId: newUuid(), actor: 'x' }, uuid as Uuid)
    }
    expect(await codeOf(put(at, owner, 'mine', 'late'))).toBe('ERR_CONFLICT')
    expect(purged).toMatchObject({ deposit: { state: 'purged' } })
    expect(at.keyHsm.keys.size).toBe(0)
    expect(await at.store.findRevision(uuid as Uuid, 2)).toBeUndefined()
    expect(await at.store.listPendingPuts()).toEqual([])
  })

  test('a shared key stays, and it is said that older backups still open', async () => {
    const at = await makeSurroundings()
    const owner = await addCaller(at)
    const request = putRequest('mine', 'content')
    const shared = { ...request, put: { ...request.put, scope: 'service' as const } }
    const { uuid } = await putDeposit(at.trustee, owner, shared)
    expect(await purge(at, uuid)).toMatchObject({ revokedKeys: 0, sharedRevisions: 1 })
    expect([at.keyHsm.keys.size, at.keyHsm.count('revoke')]).toEqual([1, 0])
    expect((await at.store.findRevision(uuid as Uuid, 1))?.stored).toHaveLength(0)
  })

  test('a row that is not ours is not there', async () => {
    const at = await makeSurroundings()
    const owner = await addCaller(at)
    const { uuid } = await put(at, owner, 'mine')
    const row = (await at.store.findDepositByUuid(uuid as Uuid))?.deposit
    if (!row) throw new Error('no row')
    await at.store.withTransaction((t) => t.updateDeposit({ ...row, grant: 'forged' }))
    expect(await codeOf(purge(at, uuid))).toBe('ERR_NOT_FOUND')
    expect(await codeOf(purge(at, newUuid()))).toBe('ERR_NOT_FOUND')
    expect(at.keyHsm.keys.size).toBe(1)
  })
})

describe('a revocation outlives', () => {
  test('a database restored from before it: the deposit stays unreadable and is purged anew', async () => {
    const at = await makeSurroundings()
    const owner = await addCaller(at)
    const request = putRequest('mine', 'content')
    const shared = { ...request, put: { ...request.put, scope: 'service' as const } }
    const { uuid } = await putDeposit(at.trustee, owner, shared)
    const backup = await at.store.findForRetrieval(owner.client.uuid, { uuid: uuid as Uuid })
    if (!backup) throw new Error('no backup')
    await purge(at, uuid)
    const restored = openMemoryStore()
    const trustee = { ...at.trustee, store: restored }
    await restored.withTransaction(async (t) => {
      await t.insertOrganisation(owner.organisation)
      await t.insertClient(owner.client)
      await t.insertDeposit(backup.deposit, backup.revision)
    })
    const read = () =>
      retrieveDeposit(trustee, owner, { requestId: newUuid(), ref: uuid, from: '127.0.0.1' })
    expect(await codeOf(read())).toBe('ERR_IRRETRIEVABLE')
    await reviveRevocations(trustee)
    expect(await resumePurges(trustee)).toEqual({ done: 1, left: 0, refused: 0 })
    expect((await restored.findRevision(uuid as Uuid, 1))?.stored).toHaveLength(0)
    expect(await codeOf(read())).toBe('ERR_IRRETRIEVABLE')
  })

  test('a restart; a torn last line is dropped, a changed line refused', async () => {
    const { grants, directory } = await makeSurroundings()
    const file = join(directory, 'log')
    const entry = {
      deposit: newUuid(),
      organisation: newUuid(),
      orderedBy: 'me',
      orderedAt: '2026-01-01T00:00:00.000Z',
    }
    const log = await openRevocationLog(file, grants)
    await Promise.all([log.record(entry), log.record(entry)])
    const second = { ...entry, deposit: newUuid() }
    await log.record(second)
    const text = await readFile(file, 'utf8')
    expect(text.split('\n')).toHaveLength(3)
    await writeFile(file, text.slice(0, -5))
    const torn = await openRevocationLog(file, grants)
    expect([torn.has(entry.deposit), torn.has(second.deposit)]).toEqual([true, false])
    await torn.record(second)
    expect(await readFile(file, 'utf8')).toBe(text)
    await writeFile(file, text.replace(second.deposit, newUuid()))
    await expect(openRevocationLog(file, grants)).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
    await rm(file)
    expect((await openRevocationLog(file, grants)).list()).toEqual([])
  })

  test('a full disk: whoever ordered it hears so, and the next line is not glued to what was left', async () => {
    const { grants, directory } = await makeSurroundings()
    const file = join(directory, 'log')
    const entry = (deposit = newUuid()) => ({
      deposit,
      organisation: newUuid(),
      orderedBy: 'me',
      orderedAt: '2026-01-01T00:00:00.000Z',
    })
    const log = await openRevocationLog(file, grants)
    const [first, second] = [entry(), entry()]
    await log.record(first)
    await rename(file, `${file}.kept`)
    await symlink('/dev/full', file)
    const outcomes = await Promise.allSettled([log.record(second), log.record(second)])
    expect(outcomes).toMatchObject([
      { status: 'rejected', reason: { code: 'ERR_UNAVAILABLE' } },
      { status: 'rejected', reason: { code: 'ERR_UNAVAILABLE' } },
    ])
    expect(log.has(second.deposit)).toBe(false)
    await rename(`${file}.kept`, file)
    await appendFile(file, '{"deposit":"ha')
    await log.record(second)
    const again = await openRevocationLog(file, grants)
    expect(again.list()).toEqual([first, second])
  })
})
