import type { HsmKeyId } from '@keyhsm/core'
import { expect, test } from 'vitest'
import { secretKeyFingerprint, spkiFingerprint } from '../src/fingerprints.js'
import type { KeySpec, KeyUse } from '../src/hsm.js'
import type { KeyKind } from '../src/kinds.js'
import { checkKeySpec } from '../src/key-spec.js'

const good: KeySpec = {
  id: '00112233445566778899aabbccddeeff' as HsmKeyId,
  label: 'key1-3T17-YYdn-2015-07-23',
  kind: 'ec-p256',
  use: 'wrap',
}

test('a good specification is returned', () => {
  expect(checkKeySpec(good)).toBe(good)
})

test.each<[string, Partial<KeySpec>]>([
  ['id', { id: '0011' as HsmKeyId }],
  ['label', { label: '' }],
  ['label', { label: 'x'.repeat(65) }],
  ['label', { label: 'a b' }],
  ['label', { label: 'a\n' }],
  ['kind', { kind: 'aes-128' as KeyKind }],
  ['kind', { kind: 'constructor' as KeyKind }],
  ['use', { use: 'authenticate' }],
  ['use', { kind: 'hmac-sha256', use: 'wrap' }],
  ['use', { kind: 'rsa-2048', use: 'sign' }],
  ['use', { use: 'everything' as KeyUse }],
])('names the field %s: %j', (field, change) => {
  expect(() => checkKeySpec({ ...good, ...change })).toThrow(
    expect.objectContaining({
      code: 'ERR_INVALID_INPUT',
      faults: [expect.objectContaining({ field })],
    }),
  )
})

test('fingerprints are the documented digests', () => {
  // printf abc | sha256sum
  expect(spkiFingerprint(Buffer.from('abc'))).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  )
  // { printf 'keyhsm secret key'; printf 00112233445566778899aabbccddeeff | xxd -r -p; } | sha256sum
  expect(secretKeyFingerprint(good.id)).toBe(
    '501a884e0b8edd301fb0e99bb7af3d6cd310e0d1e19065cea6b605fcfda9900f',
  )
})
