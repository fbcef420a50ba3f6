import { parseHsmKeyId, parseRealm, parseUuid, SecretBytes } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { KeyIds, type KeyOwner } from '../../src/keys/key-ids.js'

const kAuth = () => SecretBytes.own(Buffer.alloc(32, 7))
const realm = parseRealm('prod')
const organisation = parseUuid('0f8fad5b-d9cb-469f-a165-70867728950e')
const owners: KeyOwner[] = [
  { purpose: 'deposit', realm },
  { purpose: 'deposit', realm: parseRealm('prod2') },
  { purpose: 'service', realm },
  { purpose: 'organisation', realm, organisation },
  { purpose: 'organisation', realm, organisation: parseUuid(organisation.replace('0f', 'f0')) },
  { purpose: 'canary' },
  { purpose: 'audit' },
]

describe('ids of HSM keys', () => {
  it('prove exactly the owner they were issued for', () => {
    const ids = KeyIds.derive(kAuth())
    for (const owner of owners) {
      const id = parseHsmKeyId(ids.issue(owner))
      expect(owners.filter((other) => ids.belongs(id, other))).toEqual([owner])
    }
  })

  it('are recognised by every Key HSM of the partition and by none of another', () => {
    const owner = { purpose: 'deposit', realm } as const
    const id = KeyIds.derive(kAuth()).issue(owner)
    expect(KeyIds.derive(kAuth()).belongs(id, owner)).toBe(true)
    expect(KeyIds.derive(SecretBytes.own(Buffer.alloc(32, 8))).belongs(id, owner)).toBe(false)
  })

  it('are void after any flipped bit', () => {
    const ids = KeyIds.derive(kAuth())
    const owner = { purpose: 'deposit', realm } as const
    const bytes = Buffer.from(ids.issue(owner), 'hex')
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(ids.belongs(parseHsmKeyId(flipped.toString('hex')), owner)).toBe(false)
    }
  })

  it('keep their meaning: an example computed by Python hmac and hashlib', () => {
    const ids = KeyIds.derive(kAuth())
    const id = parseHsmKeyId('00010203040506070809d97331302c5d')
    expect(ids.belongs(id, { purpose: 'organisation', realm, organisation })).toBe(true)
  })
})
