import { newUuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { retrieveDeposit } from '../../src/deposits/retrieve-deposit.js'
import { listHsmKeys } from '../../src/hsm-keys/list-hsm-keys.js'
import { type RevokingLink, revokeHsmKey } from '../../src/hsm-keys/revoke-hsm-key.js'
import { addCaller, makeSurroundings, putRequest } from '../support/surroundings.js'

async function withDeposits(...handles: string[]) {
  const at = await makeSurroundings()
  const caller = await addCaller(at)
  for (const handle of handles) await putDeposit(at.trustee, caller, putRequest(handle, 'x'))
  const link = { calls: at.keyHsm } as unknown as RevokingLink
  const revoke = (key: string) =>
    revokeHsmKey(at.trustee, link, { requestId: newUuid(), actor: 'alice', key })
  return { at, caller, link, revoke }
}

describe('revokeHsmKey', () => {
  test('by label: this deposit is irretrievable, the others are not', async () => {
    const { at, caller, link, revoke } = await withDeposits('one', 'two')
    const { keys } = await listHsmKeys(at.trustee, link)
    const label = keys.find(({ uses }) => uses[0]?.handle === 'one')?.label ?? ''
    expect(await revoke(label)).toMatchObject({
      outcome: 'destroyed',
      key: { label, uses: [{ handle: 'one' }] },
    })
    const get = (ref: string) =>
      retrieveDeposit(at.trustee, caller, { requestId: newUuid(), ref, from: '127.0.0.1' })
    await expect(get('one')).rejects.toMatchObject({ code: 'ERR_IRRETRIEVABLE' })
    expect((await get('two')).content.toString()).toBe('x')
    const revoked = (await at.auditLines()).filter(({ operation }) => operation === 'revoke')
    expect(revoked).toMatchObject([
      { event: 'intent', actor: 'alice', subject: { label, uses: 1 } },
      { event: 'outcome', outcome: 'revoked' },
    ])
  })

  test('a label that two keys carry is refused, an id is not', async () => {
    const { at, caller, revoke } = await withDeposits('one')
    await putDeposit(at.trustee, caller, putRequest('one', 'y'))
    const [id = ''] = at.keyHsm.keys.keys()
    const label = at.keyHsm.keys.get(id)?.entry.label ?? ''
    await expect(revoke(label)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    expect(at.keyHsm.keys.size).toBe(2)
    expect((await revoke(id)).outcome).toBe('destroyed')
    await expect(revoke(id)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    // It may be in an HSM that is down.
    at.keyHsm.backends.push({ name: 'away' })
    await expect(revoke(id)).rejects.toMatchObject({
      code: 'ERR_HSM_UNAVAILABLE',
      message: expect.stringContaining('away') as string,
    })
  })
})

test('listHsmKeys pages in the order of ids', async () => {
  const { at, link } = await withDeposits('a', 'b', 'c')
  const first = await listHsmKeys(at.trustee, link, { limit: 2 })
  const rest = await listHsmKeys(at.trustee, link, {
    limit: 2,
    ...(first.next ? { after: first.next } : {}),
  })
  expect([first.keys.length, rest.keys.length, rest.next]).toEqual([2, 1, undefined])
  const ids = [...first.keys, ...rest.keys].map(({ id }) => id)
  expect(ids).toEqual([...at.keyHsm.keys.keys()].sort())
})
