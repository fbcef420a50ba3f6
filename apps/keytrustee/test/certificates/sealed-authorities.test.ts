import { readFileSync } from 'node:fs'
import { SecretBytes } from '@keyhsm/core'
import { expect, test } from 'vitest'
import { openAuthorities, sealAuthorities } from '../../src/certificates/sealed-authorities.js'
import { openGrants } from '../../src/grants.js'

const state = { certificate: 'present', privateKey: 'the private key', previous: ['a', 'b'] }
const grants = openGrants(SecretBytes.own(Buffer.alloc(32, 7)))

test('what one server seals another opens, and the key is not in it', () => {
  const sealed = sealAuthorities(grants, 3, state)
  expect(openAuthorities(grants, 3, sealed)).toEqual(state)
  expect(sealed.includes('the private key')).toBe(false)
  expect(sealAuthorities(grants, 3, state).equals(sealed)).toBe(false)
})

test('another number, another installation, a bit, an end: refused with one answer', () => {
  const sealed = sealAuthorities(grants, 3, state)
  const others = openGrants(SecretBytes.own(Buffer.alloc(32, 8)))
  const refused = (open: () => unknown) =>
    expect(open).toThrow('were not made by a server of this installation')
  refused(() => openAuthorities(grants, 4, sealed))
  refused(() => openAuthorities(others, 3, sealed))
  for (let at = 0; at < sealed.length; at += 1) {
    const flipped = Buffer.from(sealed)
    flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at)
    refused(() => openAuthorities(grants, 3, flipped))
    refused(() => openAuthorities(grants, 3, sealed.subarray(0, at)))
  }
  refused(() => openAuthorities(grants, 3, Buffer.concat([sealed, Buffer.of(0)])))
})

test('the frozen vector opens', () => {
  const file = new URL('./vectors/authorities-1.json', import.meta.url)
  const vector = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly sequence: number
    readonly sealed: string
  }
  expect(openAuthorities(grants, vector.sequence, Buffer.from(vector.sealed, 'hex'))).toEqual(state)
})
