/** Keystores made by Hadoop's own provider (JDK 17), by us, and damaged in every way. */
import { readFileSync } from 'node:fs'
import { hasCode } from '@keyhsm/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteCursor } from '../../src/keystore/byte-cursor.js'
import {
  findKeystoreFault,
  openHadoopKeystore,
  writeHadoopKeystore,
} from '../../src/keystore/hadoop-keys.js'
import { readJavaStream } from '../../src/keystore/java-objects.js'
import { decodeModifiedUtf8, encodeModifiedUtf8 } from '../../src/keystore/modified-utf8.js'
import { formatParameters, parseParameters } from '../../src/keystore/password-cipher.js'
import { readJceks } from '../../src/keystore/read-jceks.js'
import { writeSecretKey } from '../../src/keystore/write-java-objects.js'

const password = 'not a secret'
const stored = readFileSync(new URL('vectors/hadoop-3.4.jceks', import.meta.url))
const bytes = (length: number, first = 0) =>
  Buffer.from(Array.from({ length }, (_, i) => first + i))
const first = {
  name: 'first',
  cipher: 'AES/CTR/NoPadding',
  bits: 128,
  description: 'a description, ünï 🔑',
  attributes: { 'key.acl.name': 'shared', a: 'b' },
  createdAt: 1_795_363_799_294,
  versions: [bytes(16), bytes(16, 16)],
}
const second = {
  name: 'zweiter/schlüssel',
  cipher: 'AES/CTR/NoPadding',
  bits: 256,
  description: null,
  attributes: {},
  createdAt: 1_795_363_799_522,
  versions: [Buffer.alloc(32, 0x5a)],
}

describe('a keystore of Hadoop’s own provider', () => {
  it('gives every key with all that Hadoop knows of it', async () => {
    const source = openHadoopKeystore(stored, password)
    expect([...(await source.names())].sort()).toEqual(['first', 'zweiter/schlüssel'])
    expect(await source.read('first')).toEqual(first)
    expect(await source.read('zweiter/schlüssel')).toEqual(second)
    await expect(source.read('none')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  it('is refused with another password, naming the option', () => {
    expect(() => openHadoopKeystore(stored, 'another')).toThrow(/password/)
    expect(() => openHadoopKeystore(stored, 'schlüssel')).toThrow(/printable ASCII/)
  })

  it('is refused when any byte of it was changed', () => {
    for (let at = 0; at < stored.length; at += 7) {
      const changed = Buffer.from(stored)
      changed.writeUInt8(changed.readUInt8(at) ^ 0x01, at)
      expect(() => readJceks(changed, password)).toThrow()
    }
    for (const length of [0, 3, 11, 31, 32, 500, stored.length - 1])
      expect(() => readJceks(stored.subarray(0, length), password)).toThrow()
  })
})

describe('a keystore of ours', () => {
  it('holds the same keys when it is read', async () => {
    const made = writeHadoopKeystore([first, second], { password, rounds: 10 })
    const source = openHadoopKeystore(made, password)
    expect(await source.read('first')).toEqual(first)
    expect(await source.read('zweiter/schlüssel')).toEqual(second)
  })

  it('can be empty', async () => {
    const source = openHadoopKeystore(writeHadoopKeystore([], { password }), password)
    expect(await source.names()).toEqual([])
  })

  it('takes no names that Java would make others of', () => {
    expect(findKeystoreFault('Upper')).toMatch(/upper case/)
    expect(findKeystoreFault('a@b')).toMatch(/@/)
    expect(findKeystoreFault('zone/1')).toBeUndefined()
  })
})

describe('parsers of what is in a keystore', () => {
  it('refuse anything else with the one error, and never take memory that is not there', () => {
    const model = writeSecretKey('AES', bytes(16))
    const change = fc.record({ at: fc.nat(model.length - 1), byte: fc.nat(255) })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), fc.nat(model.length), (changes, length) => {
        const input = Buffer.from(model.subarray(0, length))
        for (const { at, byte } of changes) if (at < length) input.writeUInt8(byte, at)
        return isReadOrRefused(() => readJavaStream(new ByteCursor(input), new Set()))
      }),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (any) =>
        isReadOrRefused(() => parseParameters(Buffer.from(any))),
      ),
    )
  })

  it('read texts and parameters back as they were written', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff)), (units) => {
        const text = String.fromCharCode(...units)
        expect(decodeModifiedUtf8(encodeModifiedUtf8(text))).toBe(text)
      }),
    )
    for (const iterations of [1, 20, 127, 128, 255, 32_768, 200_000, 5_000_000]) {
      const parameters = { salt: bytes(8), iterations }
      expect(parseParameters(formatParameters(parameters))).toEqual(parameters)
    }
    expect(() =>
      parseParameters(formatParameters({ salt: bytes(8), iterations: 5_000_001 })),
    ).toThrow()
  })
})

function isReadOrRefused(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    return hasCode(error, 'ERR_INTEGRITY')
  }
}
