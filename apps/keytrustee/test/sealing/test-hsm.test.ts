import { DomainError, newUuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import type { KeyHsmLink } from '../../src/sealing/key-hsm-link.js'
import { createHsmTest } from '../../src/sealing/test-hsm.js'
import { canary } from '../support/key-hsm-double.js'
import { makeSurroundings } from '../support/surroundings.js'

async function joined() {
  const at = await makeSurroundings()
  const link = { joined: { canary }, calls: at.keyHsm } as unknown as KeyHsmLink
  return { at, hsmTest: createHsmTest(at.trustee, () => link) }
}

const from = (peerAddress: string, headers = {}) => ({ peerAddress, headers })

describe('createHsmTest', () => {
  test('prints the sentence of the old product, and leaves no key behind', async () => {
    const { at, hsmTest } = await joined()
    at.clock.instant = new Date('2016-06-03T07:27:18.900Z')
    expect(await hsmTest.run(from('127.0.0.1'))).toBe(
      '"Sample Key TEST_HELLO_DEPOSIT2016-06-03-072718 has been created"\n',
    )
    expect(at.keyHsm.keys.size).toBe(0)
    expect(at.keyHsm.calls.map(({ verb, reason }) => reason ?? verb)).toEqual([
      'seal',
      'open',
      'test',
    ])
    const lines = await at.auditLines()
    expect(lines.map(({ operation, outcome }) => [operation, outcome])).toEqual([
      ['test-hsm', undefined],
      ['test-hsm', 'done'],
    ])
  })

  test('runs once for all who come meanwhile', async () => {
    const { at, hsmTest } = await joined()
    const sentences = await Promise.all(
      ['127.0.0.1', '::1', '::ffff:127.0.0.1'].map((peer) => hsmTest.run(from(peer))),
    )
    expect(new Set(sentences).size).toBe(1)
    expect(at.keyHsm.count('seal')).toBe(1)
    await hsmTest.run(from('127.0.0.1'))
    expect(at.keyHsm.count('seal')).toBe(2)
  })

  test('refuses other hosts, and says so before it is joined', async () => {
    const { at, hsmTest } = await joined()
    await expect(hsmTest.run(from('192.0.2.1'))).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' })
    const forwarded = from('127.0.0.1', { 'x-forwarded-for': '192.0.2.1' })
    await expect(hsmTest.run(forwarded)).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' })
    expect(at.keyHsm.calls).toEqual([])
    const alone = createHsmTest(at.trustee, () => undefined)
    await expect(alone.run(from('127.0.0.1'))).rejects.toMatchObject({ code: 'ERR_NOT_JOINED' })
    await expect(alone.run(from('192.0.2.1'))).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' })
  })

  test('removes its key also when opening fails, and can be run again', async () => {
    const { at, hsmTest } = await joined()
    at.keyHsm.before = (verb) => {
      if (verb === 'open')
        throw new DomainError('ERR_IRRETRIEVABLE', 'the deposit is irretrievable')
    }
    await expect(hsmTest.run(from('127.0.0.1'))).rejects.toMatchObject({
      code: 'ERR_HSM_UNAVAILABLE',
    })
    expect(at.keyHsm.keys.size).toBe(0)
    at.keyHsm.before = () => undefined
    expect(await hsmTest.run(from('127.0.0.1'))).toContain('has been created')
    expect((await at.auditLines()).filter(({ outcome }) => outcome === 'unavailable')).toHaveLength(
      1,
    )
  })

  test('its requests carry one id through both services', async () => {
    const { at, hsmTest } = await joined()
    await hsmTest.run(from('127.0.0.1'))
    const ids = new Set(at.keyHsm.calls.map(({ requestId }) => requestId))
    expect([...ids]).toEqual([(await at.auditLines())[0]?.requestId])
    expect(newUuid()).not.toBe([...ids][0])
  })
})
