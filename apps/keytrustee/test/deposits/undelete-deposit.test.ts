import { type DomainError, newUuid, type Uuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { findAny } from '../../src/deposits/find-any.js'
import { purgeDeposit } from '../../src/deposits/purge-deposit.js'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { removeDeposit } from '../../src/deposits/remove-deposit.js'
import { retrieveDeposit } from '../../src/deposits/retrieve-deposit.js'
import { undeleteDeposit } from '../../src/deposits/undelete-deposit.js'
import { addCaller, limits, makeSurroundings, putRequest } from '../support/surroundings.js'

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: unknown) => (error as DomainError).code,
  )

async function removed(quota = 100) {
  const at = await makeSurroundings({ limits: { depositsPerClient: quota } })
  const owner = await addCaller(at)
  const { uuid } = await putDeposit(at.trustee, owner, putRequest('mine', 'content'))
  await removeDeposit(at.trustee, owner, { requestId: newUuid(), ref: 'mine' })
  const by = { requestId: newUuid(), actor: 'somebody' }
  const undelete = () => undeleteDeposit(at.trustee, by, uuid as Uuid)
  return { at, owner, uuid: uuid as Uuid, undelete, by }
}

describe('undeleteDeposit', () => {
  test('brings it back within the window, and once more changes nothing', async () => {
    const { at, owner, undelete } = await removed()
    at.clock.advance(limits.undeleteMs)
    expect((await undelete()).state).toBe('active')
    const lookup = { requestId: newUuid(), ref: 'mine', from: '127.0.0.1' }
    const { content, deposit } = await retrieveDeposit(at.trustee, owner, lookup)
    expect([content.toString(), deposit.undeleteUntil]).toEqual(['content', undefined])
    expect((await undelete()).state).toBe('active')
    const lines = (await at.auditLines()).filter(({ operation }) => operation === 'undelete')
    expect(lines[1]).toMatchObject({ outcome: 'done', actor: 'somebody' })
  })

  test('not after the window: 409, and until then a put is refused too', async () => {
    const { at, owner, undelete } = await removed()
    const put = putDeposit(at.trustee, owner, putRequest('mine', 'x'))
    expect(await codeOf(put)).toBe('ERR_DISABLED')
    at.clock.advance(limits.undeleteMs + 1)
    expect(await codeOf(undelete())).toBe('ERR_DISABLED')
  })

  test('not over the quota, not what was purged, not what is not there', async () => {
    const { at, owner, undelete, uuid, by } = await removed(1)
    await putDeposit(at.trustee, owner, putRequest('other', 'x'))
    expect(await codeOf(undelete())).toBe('ERR_QUOTA')
    await purgeDeposit(at.trustee, by, uuid)
    expect(await codeOf(undelete())).toBe('ERR_IRRETRIEVABLE')
    expect(await codeOf(undeleteDeposit(at.trustee, by, newUuid()))).toBe('ERR_NOT_FOUND')
  })
})

test('findAny: by uuid, by a handle of one client, refusing one of several', async () => {
  const { at, uuid } = await removed()
  expect((await findAny(at.store, uuid)).uuid).toBe(uuid)
  expect((await findAny(at.store, 'mine')).uuid).toBe(uuid)
  const other = await addCaller(at)
  const theirs = await putDeposit(at.trustee, other, putRequest('mine', 'x'))
  const error = await findAny(at.store, 'mine').catch((thrown: unknown) => thrown as DomainError)
  expect(error).toMatchObject({ code: 'ERR_CONFLICT' })
  expect((error as DomainError).hints.join()).toContain(theirs.uuid)
  expect(await codeOf(findAny(at.store, 'absent'))).toBe('ERR_NOT_FOUND')
})
