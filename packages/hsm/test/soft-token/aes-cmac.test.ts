import { createSecretKey } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { aesCmac } from '../../src/soft-token/aes-cmac.js'

const message = Buffer.from(
  '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51' +
    '30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
  'hex',
)
const key128 = '2b7e151628aed2a6abf7158809cf4f3c'
const key256 = '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4'

// AES-128: RFC 4493 §4. AES-256: NIST SP 800-38B examples, D.3.
describe.each([
  ['AES-128', key128, 0, 'bb1d6929e95937287fa37d129b756746'],
  ['AES-128', key128, 16, '070a16b46b4d4144f79bdd9dd04a287c'],
  ['AES-128', key128, 40, 'dfa66747de9ae63030ca32611497c827'],
  ['AES-128', key128, 64, '51f0bebf7e3b9d92fc49741779363cfe'],
  ['AES-256', key256, 0, '028962f61b7bf89efc6b551f4667d983'],
  ['AES-256', key256, 16, '28a7023f452e8f82bd4bf28d8c37c35c'],
  ['AES-256', key256, 40, 'aaf3d8f1de5640c232f5b169b9c911e6'],
  ['AES-256', key256, 64, 'e1992190549f6ed5696a2c056c315410'],
])('%s', (_name, key, length, expected) => {
  test(`of ${length} bytes`, () => {
    const input = Buffer.from(message.subarray(0, length))
    const mac = aesCmac(createSecretKey(Buffer.from(key, 'hex')), input)
    expect(mac.toString('hex')).toBe(expected)
    expect(input).toEqual(message.subarray(0, length))
  })
})
