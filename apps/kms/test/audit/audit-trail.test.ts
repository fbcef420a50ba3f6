import { DomainError, systemClock } from '@keyhsm/core'
import type { AuditEntry } from '@keyhsm/service'
import { describe, expect, it } from 'vitest'
import { type AuditWait, openAuditTrail } from '../../src/audit/audit-trail.js'

const soon = () => new Promise((resolve) => setImmediate(resolve))

/** A disk that takes an entry when it is told to. */
function slowAudit(wait: AuditWait = 'keys') {
  const waiting: { entry: AuditEntry; done: () => void; fail: (error: Error) => void }[] = []
  const lines: string[] = []
  const trail = openAuditTrail(
    {
      append: (entry) =>
        new Promise((resolve, reject) => {
          waiting.push({ entry, done: () => resolve({ sequence: 1, hash: '' }), fail: reject })
        }),
    },
    systemClock,
    (line) => lines.push(line),
    () => wait,
  )
  const isAnswered = async (op: string, status: 'OK' | 'UNAUTHORIZED' = 'OK') => {
    let answered = false
    trail.record({ status, op, peerAddress: '::1' }).then(
      () => {
        answered = true
      },
      () => undefined,
    )
    await soon()
    return answered
  }
  return { waiting, lines, isAnswered }
}
const broken = new DomainError('ERR_AUDIT_UNAVAILABLE', 'the disk is full')

describe('an answer waits for the disk', () => {
  it.each([
    ['DECRYPT_EEK', 'keys', false],
    ['GET_KEY_VERSION', 'keys', false],
    ['CREATE_KEY', 'keys', false],
    ['INVALIDATE_CACHE', 'keys', false],
    ['GET_METADATA', 'keys', true],
    ['GET_KEYS', 'keys', true],
    ['GENERATE_EEK', 'keys', true],
    ['REENCRYPT_EEK_BATCH', 'keys', true],
    ['GET_METADATA', 'all', false],
    ['GENERATE_EEK', 'all', false],
  ] as const)('%s with audit.wait=%s: answered before: %s', async (op, wait, before) => {
    const { isAnswered, waiting, lines } = slowAudit(wait)
    expect(await isAnswered(op)).toBe(before)
    expect(waiting.map(({ entry }) => entry.outcome)).toHaveLength(1)
    expect(lines).toEqual([])
    waiting[0]?.done()
    await soon()
    expect(lines).toHaveLength(1)
  })

  it('when it refuses, whatever was asked', async () => {
    const { isAnswered } = slowAudit()
    expect(await isAnswered('GET_METADATA', 'UNAUTHORIZED')).toBe(false)
  })

  it('after an entry was lost, until one has reached the disk again', async () => {
    const { isAnswered, waiting, lines } = slowAudit()
    expect(await isAnswered('GET_METADATA')).toBe(true)
    waiting.shift()?.fail(broken)
    await soon()
    expect(await isAnswered('GET_METADATA')).toBe(false)
    waiting.shift()?.done()
    await soon()
    expect(await isAnswered('GET_METADATA')).toBe(true)
    expect(lines).toHaveLength(1)
  })

  it('when a thousand entries are not on the disk', async () => {
    const { isAnswered, waiting } = slowAudit()
    for (let i = 0; i < 1_000; i += 1) void isAnswered('GENERATE_EEK')
    expect(await isAnswered('GENERATE_EEK')).toBe(false)
    waiting.shift()?.done()
    await soon()
    expect(await isAnswered('GENERATE_EEK')).toBe(true)
  })
})
