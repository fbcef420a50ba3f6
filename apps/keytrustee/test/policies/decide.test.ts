import { newUuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { decide, type Facts, refusal } from '../../src/policies/decide.js'
import type { Policy } from '../../src/policies/policy.js'
import type { Client, Deposit } from '../../src/store/store.js'

const client = { uuid: newUuid(), organisation: newUuid(), state: 'active' } as Client
const deposit = {
  uuid: newUuid(),
  owner: client.uuid,
  organisation: client.organisation,
  state: 'active',
  undeleteUntil: new Date('2026-12-22T00:00:00Z'),
} as Deposit
const facts: Facts = {
  client,
  groups: [],
  deposit,
  revoked: false,
  now: new Date('2026-11-22T10:00:00Z'),
  from: '192.0.2.7',
  used: 0,
  approvals: 0,
  newest: true,
}
const allowed = { allowed: true }
const refused = (reason: string) => ({ allowed: false, reason })

describe('decide', () => {
  test('the active owner of an active deposit may', () => {
    expect(decide(facts)).toEqual(allowed)
  })

  test.each([
    ['a disabled client', { state: 'disabled' }, {}, 'not-active', 'ERR_NOT_AUTHENTICATED'],
    ['a waiting client', { state: 'waiting' }, {}, 'not-active', 'ERR_NOT_AUTHENTICATED'],
    ['another client', { uuid: newUuid() }, {}, 'not-reader', 'ERR_NOT_FOUND'],
    ['another organisation', { organisation: newUuid() }, {}, 'not-reader', 'ERR_NOT_FOUND'],
    ['a removed deposit', {}, { state: 'disabled' }, 'removed', 'ERR_DISABLED'],
    ['one that is being purged', {}, { state: 'purging' }, 'purged', 'ERR_IRRETRIEVABLE'],
    ['a purged deposit', {}, { state: 'purged' }, 'purged', 'ERR_IRRETRIEVABLE'],
    [
      'another’s removed deposit',
      { uuid: newUuid() },
      { state: 'disabled' },
      'not-reader',
      'ERR_NOT_FOUND',
    ],
  ] as const)('%s may not', (...row) => {
    const [, changedClient, changedDeposit, reason, code] = row
    const changed = {
      ...facts,
      client: { ...client, ...changedClient } as Client,
      deposit: { ...deposit, ...changedDeposit } as Deposit,
    }
    expect(decide(changed)).toEqual(refused(reason))
    expect(refusal(reason, changed.deposit).code).toBe(code)
  })

  const group = newUuid()
  const reader = { ...client, uuid: newUuid() }
  const two = {
    required: 2,
    trustees: [
      { client: reader.uuid, key: 'a' },
      { client: newUuid(), key: 'b' },
    ],
  }
  test.each([
    ['before its time', { notBefore: '2026-11-22T10:00:00.001Z' }, {}, refused('too-early')],
    ['when its time has come', { notBefore: '2026-11-22T10:00:00.000Z' }, {}, allowed],
    ['when its time is over', { expiresAt: '2026-11-22T10:00:00.000Z' }, {}, refused('expired')],
    ['just before that', { expiresAt: '2026-11-22T10:00:00.001Z' }, {}, allowed],
    ['inside of a network', { networks: ['192.0.2.0/24'] }, {}, allowed],
    ['mapped into IPv6', { networks: ['192.0.2.0/24'] }, { from: '::ffff:192.0.2.7' }, allowed],
    ['outside of it', { networks: ['192.0.2.0/30'] }, {}, refused('network')],
    ['in the second network', { networks: ['10.0.0.0/8', '192.0.2.7/32'] }, {}, allowed],
    ['over IPv6', { networks: ['2001:db8::/32'] }, { from: '2001:db8::1' }, allowed],
    [
      'over the wrong IPv6',
      { networks: ['2001:db8::/32'] },
      { from: '2001:db9::1' },
      refused('network'),
    ],
    ['with a use left', { maxRetrievals: 3 }, { used: 2 }, allowed],
    ['with none left', { maxRetrievals: 3 }, { used: 3 }, refused('used-up')],
    ['as a named reader', { clients: [reader.uuid] }, { client: reader }, allowed],
    ['as a member of a group', { groups: [group] }, { client: reader, groups: [group] }, allowed],
    [
      'as a member of another',
      { groups: [group] },
      { client: reader, groups: [newUuid()] },
      refused('not-reader'),
    ],
    ['without enough trustees', { trustees: two }, { approvals: 1 }, refused('approval-needed')],
    ['with enough', { trustees: two }, { approvals: 2 }, allowed],
    [
      'an older revision with trustees',
      { trustees: two },
      { approvals: 2, newest: false },
      refused('older-revision'),
    ],
    [
      'as a trustee, reader or not',
      { trustees: two, clients: [reader.uuid] },
      { client: reader, approvals: 2 },
      refused('not-reader'),
    ],
    ['as the owner beside readers', { clients: [reader.uuid] }, {}, allowed],
  ] as [string, Policy, Partial<Facts>, object][])('%s', (_, policy, some, answer) => {
    expect(decide({ ...facts, deposit: { ...deposit, policy }, ...some })).toEqual(answer)
  })

  test('a reader of another organisation is none', () => {
    const stranger = { ...reader, organisation: newUuid() }
    const named = { ...deposit, policy: { clients: [stranger.uuid] } }
    expect(decide({ ...facts, client: stranger, deposit: named })).toEqual(refused('not-reader'))
  })

  test('nobody may what was ordered to be unreadable, whatever the row says', () => {
    expect(decide({ ...facts, revoked: true })).toEqual(refused('purged'))
  })

  test('a removed deposit says until when it can come back', () => {
    expect(refusal('removed', deposit).message).toContain('2026-12-22T00:00:00.000Z')
  })
})
