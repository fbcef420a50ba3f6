import { newUuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { decide, refusal } from '../../src/policies/decide.js'
import type { Client, Deposit } from '../../src/store/store.js'

const client = { uuid: newUuid(), organisation: newUuid(), state: 'active' } as Client
const deposit = {
  owner: client.uuid,
  organisation: client.organisation,
  state: 'active',
  undeleteUntil: new Date('2026-12-22T00:00:00Z'),
} as Deposit

describe('decide', () => {
  test('the active owner of an active deposit may', () => {
    expect(decide({ client, deposit, revoked: false })).toEqual({ allowed: true })
  })

  test.each([
    ['a disabled client', { state: 'disabled' }, {}, 'not-active', 'ERR_NOT_AUTHENTICATED'],
    ['a waiting client', { state: 'waiting' }, {}, 'not-active', 'ERR_NOT_AUTHENTICATED'],
    ['another client', { uuid: newUuid() }, {}, 'not-owner', 'ERR_NOT_FOUND'],
    ['another organisation', { organisation: newUuid() }, {}, 'not-owner', 'ERR_NOT_FOUND'],
    ['a removed deposit', {}, { state: 'disabled' }, 'removed', 'ERR_DISABLED'],
    ['one that is being purged', {}, { state: 'purging' }, 'purged', 'ERR_IRRETRIEVABLE'],
    ['a purged deposit', {}, { state: 'purged' }, 'purged', 'ERR_IRRETRIEVABLE'],
    [
      'another’s removed deposit',
      { uuid: newUuid() },
      { state: 'disabled' },
      'not-owner',
      'ERR_NOT_FOUND',
    ],
  ] as const)('%s may not', (...row) => {
    const [, changedClient, changedDeposit, reason, code] = row
    const facts = {
      client: { ...client, ...changedClient } as Client,
      deposit: { ...deposit, ...changedDeposit } as Deposit,
      revoked: false,
    }
    expect(decide(facts)).toEqual({ allowed: false, reason })
    expect(refusal(reason, facts.deposit).code).toBe(code)
  })

  test('nobody may what was ordered to be unreadable, whatever the row says', () => {
    const decision = decide({ client, deposit, revoked: true })
    expect(decision).toEqual({ allowed: false, reason: 'purged' })
  })

  test('a removed deposit says until when it can come back', () => {
    expect(refusal('removed', deposit).message).toContain('2026-12-22T00:00:00.000Z')
  })
})
