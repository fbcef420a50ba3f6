import { newUuid, SecretBytes } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { type Grants, openGrants, sameText } from '../src/grants.js'
import type { Client, Deposit, Organisation } from '../src/store/store.js'

const key = (fill: number) => SecretBytes.own(Buffer.alloc(32, fill))
const grants = openGrants(key(1))
const at = new Date('2026-11-22T10:00:00.000Z')

const organisation = {
  uuid: newUuid(),
  name: 'PROD',
  state: 'active',
  authHash: 'hash',
  contacts: ['a@b', 'c@d'],
  createdAt: at,
} as const
const client = {
  uuid: newUuid(),
  organisation: organisation.uuid,
  name: 'client',
  state: 'active',
  keyFingerprint: 'f'.repeat(64) as Client['keyFingerprint'],
  identityKey: 'key',
  recipient: 'age1x',
  createdAt: at,
} as const
const deposit = {
  uuid: newUuid(),
  organisation: organisation.uuid,
  owner: client.uuid,
  handle: 'h' as Deposit['handle'],
  state: 'disabled',
  revision: 3,
  createdAt: at,
  updatedAt: at,
  undeleteUntil: at,
} as const

/** Each granting column changed, one at a time. */
const changes = {
  organisation: {
    uuid: newUuid(),
    name: 'DEV',
    state: 'suspended',
    authHash: undefined,
    contacts: ['a@bc@d'],
    open: true,
    authExpiresAt: at,
    authUsesLeft: 5,
    recovery: 'age1pq1x',
  },
  client: {
    uuid: newUuid(),
    organisation: newUuid(),
    name: 'other',
    state: 'waiting',
    keyFingerprint: '0'.repeat(64),
    identityKey: 'other',
    recipient: 'age1y',
    recipientSignature: 'made by nobody',
    reenrolment: { hash: 'hash', until: at },
  },
  deposit: {
    uuid: newUuid(),
    organisation: newUuid(),
    owner: newUuid(),
    handle: 'i',
    state: 'active',
    revision: 2,
    undeleteUntil: undefined,
  },
}

type Kind = keyof typeof changes
const rows = {
  organisation: grants.organisation(organisation),
  client: grants.client(client),
  deposit: grants.deposit(deposit),
}

function believes(by: Grants, kind: Kind, row: object): boolean {
  if (kind === 'organisation') return by.believesOrganisation(row as Organisation)
  if (kind === 'client') return by.believesClient(row as Client)
  return by.believesDeposit(row as Deposit)
}

describe.each(Object.keys(changes) as Kind[])('grant of a row: %s', (kind) => {
  test('is believed as it was made, and by the same key only', () => {
    expect(believes(grants, kind, rows[kind])).toBe(true)
    expect(believes(openGrants(key(1)), kind, rows[kind])).toBe(true)
    expect(believes(openGrants(key(2)), kind, rows[kind])).toBe(false)
  })

  test.each(Object.entries(changes[kind]))('is not believed with another %s', (column, value) => {
    expect(believes(grants, kind, { ...rows[kind], [column]: value })).toBe(false)
  })

  test('is not believed when it is missing, cut or made up', () => {
    for (const grant of ['', rows[kind].grant.slice(1), '0'.repeat(64)])
      expect(believes(grants, kind, { ...rows[kind], grant })).toBe(false)
  })
})

test('a grant of one kind never serves another, and each purpose has its own key', () => {
  const parts = ['deposit', 'x']
  expect(grants.mac('grant', parts)).not.toEqual(grants.mac('request', parts))
  expect(grants.mac('grant', ['ab', 'c'])).not.toEqual(grants.mac('grant', ['a', 'bc']))
  expect(grants.mac('grant', [''])).not.toEqual(grants.mac('grant', [undefined]))
})

test('the bytes are those of docs/formats/grants.md', () => {
  // Frozen: recorded when the format was made; another value would disown every stored row.
  expect(grants.mac('grant', ['client', 1, undefined]).toString('hex')).toBe(
    '22527e75e168e1939a9a0648e8d79d4d0a16e3e5da4acc820faeb72f76f68631',
  )
})

test('revision uuids are version 8 uuids that depend on deposit and revision', () => {
  const uuid = grants.revisionUuid(deposit.uuid, 1)
  expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(grants.revisionUuid(deposit.uuid, 1)).toBe(uuid)
  expect(grants.revisionUuid(deposit.uuid, 2)).not.toBe(uuid)
})

test('sameText compares whole texts', () => {
  expect([sameText('a', 'a'), sameText('a', 'b'), sameText('a', 'aa'), sameText('', '')]).toEqual([
    true,
    false,
    false,
    true,
  ])
})
