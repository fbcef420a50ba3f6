import type { HsmKeyId } from '@keyhsm/core'
import { type KeyKind, keyKinds, usesOfKind } from '@keyhsm/hsm'
import { expect, test } from 'vitest'
import { defaultDialect } from '../../src/dialect/dialect.js'
import { parseKeyName, toKeyName, useAttribute } from '../../src/keys/key-names.js'
import { toKindAndUse, toNewKey } from '../../src/keys/kinds.js'

const id = '00112233445566778899aabbccddeeff' as HsmKeyId

test('a name holds the id, and other names are none of ours', () => {
  expect(toKeyName(id)).toBe(`keyhsm-${id}`)
  expect(parseKeyName(toKeyName(id))).toBe(id)
  for (const name of [
    'keyhsm-',
    `keyhsm-${id}0`,
    `Keyhsm-${id}`,
    `keyhsm-${id.toUpperCase()}`,
    id,
  ]) {
    expect(parseKeyName(name)).toBeUndefined()
  }
})

test.each(keyKinds)('%s is recognised from what was asked for', (kind) => {
  for (const use of usesOfKind[kind]) {
    const asked = toNewKey(defaultDialect, { id, label: 'label', kind, use })
    const attributes = new Map(Object.entries(asked.attributes))
    const info = { algorithm: asked.algorithm, bits: asked.bits, attributes, versions: [] }
    expect(toKindAndUse(defaultDialect, info)).toEqual({ kind, use })
  }
})

const rows: [string, number | undefined, string | undefined, KeyKind | undefined][] = [
  ['AES-256', undefined, 'wrap', 'aes-256'],
  ['aes', 256, 'authenticate', 'cmac-aes-256'],
  ['AES', 128, 'wrap', undefined],
  ['AES', 256, undefined, 'aes-256'],
  ['AES', 256, 'sign', undefined],
  ['RSA', 4096, 'wrap', undefined],
  ['RSA-2048', 2048, 'wrap', 'rsa-2048'],
  ['HMAC-SHA256', undefined, 'authenticate', 'hmac-sha256'],
  ['DESede', 168, 'wrap', undefined],
]
test.each(rows)('%s of %s bits for %s is %s', (algorithm, bits, use, kind) => {
  const attributes = new Map(use === undefined ? [] : [[useAttribute, use] as const])
  const info = { algorithm, bits, attributes, versions: [] }
  expect(toKindAndUse(defaultDialect, info)?.kind).toBe(kind)
})
