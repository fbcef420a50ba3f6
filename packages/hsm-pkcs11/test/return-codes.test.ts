import { DomainError } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import {
  classifyFailure,
  type CryptokiError,
  decodeFailure,
  failureToError,
  type FailureClass,
  failureTraits,
} from '../src/return-codes.js'
import { pkcs11Profiles } from '../src/profiles.js'

const failure = (code: number, call = 'C_Decrypt') => ({ code, name: 'CKR', call })

describe('decoding', () => {
  test('takes the numeric code of the binding', () => {
    const thrown = Object.assign(new Error('CKR_DEVICE_ERROR'), { code: 0x30 })
    expect(decodeFailure(thrown, 'C_Sign')).toEqual({
      code: 0x30,
      name: 'CKR_DEVICE_ERROR',
      call: 'C_Sign',
    })
  })

  test('reads the number in the message of a plain error, whatever its name says', () => {
    const thrown = new Error('CKR_VENDOR_DEFINED:2147489284\n    at C_CreateObject')
    expect(decodeFailure(thrown, 'C_CreateObject')).toMatchObject({
      code: 0x80001604,
      name: '0x80001604',
    })
  })

  test.each([
    ['a code of zero and no number', Object.assign(new Error('native'), { code: 0 })],
    ['a text code of Node', Object.assign(new Error('x'), { code: 'ERR_INVALID_ARG' })],
    ['no error at all', 'CKR_GENERAL_ERROR:5'],
  ])('%s is no answer of the library', (_name, thrown) => {
    expect(decodeFailure(thrown, 'C_Sign')).toBeUndefined()
  })
})

const standard: readonly [number, FailureClass][] = [
  [0x02, 'device-lost'],
  [0x05, 'device-lost'],
  [0x06, 'device-lost'],
  [0x1b, 'refused'],
  [0x20, 'bad-ciphertext'],
  [0x30, 'device-lost'],
  [0x31, 'full'],
  [0x32, 'device-lost'],
  [0x40, 'bad-ciphertext'],
  [0x41, 'bad-ciphertext'],
  [0x54, 'not-supported'],
  [0x60, 'key-missing'],
  [0x62, 'not-supported'],
  [0x68, 'key-disabled'],
  [0x70, 'not-supported'],
  [0x71, 'not-supported'],
  [0x82, 'key-missing'],
  [0x90, 'session-lost'],
  [0x91, 'session-lost'],
  [0xa0, 'login-refused'],
  [0xa4, 'login-refused'],
  [0xb0, 'session-lost'],
  [0xb3, 'session-lost'],
  [0xd1, 'not-supported'],
  [0xe0, 'device-lost'],
  [0xe1, 'device-lost'],
  [0xf0, 'key-missing'],
  [0x101, 'login-lost'],
  [0x102, 'login-refused'],
  [0x110, 'bad-ciphertext'],
  [0x112, 'bad-ciphertext'],
  [0x113, 'key-missing'],
  [0x190, 'login-lost'],
  [0x201, 'full'],
  [0x99999, 'refused'],
]

describe('classes', () => {
  test.each(standard)('0x%s of the standard is %s', (code, means) => {
    expect(classifyFailure(failure(code), [])).toBe(means)
  })

  const exceptions: readonly [keyof typeof pkcs11Profiles, string, number, FailureClass][] = [
    ['softhsm', 'C_Decrypt', 0x05, 'bad-ciphertext'],
    ['softhsm', 'C_DecryptInit', 0x05, 'device-lost'],
    ['softhsm', 'C_DeriveKey', 0x05, 'device-lost'],
    ['softhsm', 'C_EncryptInit', 0x07, 'not-supported'],
    ['nss', 'C_Decrypt', 0x07, 'bad-ciphertext'],
    ['nss', 'C_Sign', 0x07, 'refused'],
    ['luna', 'C_Decrypt', 0x80001604, 'busy'],
    ['luna', 'C_GenerateKey', 0x8000002c, 'full'],
    ['luna', 'C_Login', 0x80000007, 'login-refused'],
    ['luna', 'C_Decrypt', 0x05, 'device-lost'],
    ['thales', 'C_GetAttributeValue', 0x06, 'attribute-absent'],
    ['thales', 'C_Decrypt', 0x06, 'device-lost'],
    ['thales', 'C_GenerateKeyPair', 0x800000e0, 'refused'],
    ['cloudhsm', 'C_Encrypt', 0x06, 'busy'],
    ['cloudhsm', 'C_GetAttributeValue', 0x30, 'busy'],
    ['cloudhsm', 'C_OpenSession', 0x07, 'busy'],
    ['cloudhsm', 'C_Encrypt', 0x07, 'refused'],
  ]
  test.each(exceptions)('%s: %s 0x%s is %s', (profile, call, code, means) => {
    expect(classifyFailure(failure(code, call), pkcs11Profiles[profile].returnCodes)).toBe(means)
  })
})

describe('errors', () => {
  test('carry the number and the call in the cause, and nothing of it in the text', () => {
    const error = failureToError(
      { code: 0x30, name: 'CKR_DEVICE_ERROR', call: 'C_Sign' },
      'device-lost',
      [],
    )
    expect(error).toBeInstanceOf(DomainError)
    expect(error.code).toBe('ERR_HSM_UNAVAILABLE')
    expect(error.retryAfterMs).toBeGreaterThan(0)
    expect(error.message).not.toContain('CKR')
    expect((error.cause as CryptokiError).failure.code).toBe(0x30)
  })

  test('carry what the profile knows an operator can do', () => {
    const missing = { code: 0x800000e0, name: '0x800000e0', call: 'C_GenerateKey' }
    const { returnCodes } = pkcs11Profiles.thales
    const error = failureToError(missing, 'refused', returnCodes)
    expect(error.hints).toEqual([expect.stringContaining('card into the reader')])
    expect(failureToError(missing, 'refused', []).hints).toEqual([])
  })

  test('no single answer of a library is ever "not found"', () => {
    const codes = Object.values(failureTraits).map((trait) => trait.error)
    expect(codes).not.toContain('ERR_NOT_FOUND')
  })
})
