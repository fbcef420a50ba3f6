import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  describeToken,
  formatIdentifier,
  formatToken,
  isTokenPassword,
  parseIdentifier,
  parseToken,
  tokenPassword,
} from '../../src/authentication/delegation-token.js'
import { FieldReader, FieldWriter } from '../../src/authentication/zero-compressed.js'

/** Made by Hadoop 3.4. */
const vector = {
  identifier: {
    owner: 'alice',
    renewer: 'yarn',
    realUser: 'hdfs',
    issueDate: 1700000000000,
    maxDate: 1700604800000,
    sequenceNumber: 300,
    masterKeyId: 2,
  },
  identifierHex: '0005616c696365047961726e04686466738a018bcfe568008a018bf3f1ec008e012c02',
  masterKey: Buffer.from('0102030405060708', 'hex'),
  passwordHex: '9e766fa54b28c9842a571fb0cda08c3d759a396b',
  service: 'kms://http@localhost:9600/kms',
  urlString:
    'IwAFYWxpY2UEeWFybgRoZGZzigGLz-VoAIoBi_Px7ACOASwCFJ52b6VLKMmEKlcfsM2gjD11mjlrBmttcy1kdB1rbXM6Ly9odHRwQGxvY2FsaG9zdDo5NjAwL2ttcw',
  text: 'kms-dt owner=alice, renewer=yarn, realUser=hdfs, issueDate=1700000000000, maxDate=1700604800000, sequenceNumber=300, masterKeyId=2',
}

describe('numbers', () => {
  it.each([
    [128, '8f80'],
    [255, '8fff'],
    [300, '8e012c'],
    [-112, '90'],
    [-113, '8770'],
    [127, '7f'],
    [1700000000000, '8a018bcfe56800'],
  ])('%d is %s', (value, hex) => {
    expect(new FieldWriter().long(value).end().toString('hex')).toBe(hex)
    expect(new FieldReader(Buffer.from(hex, 'hex')).long()).toBe(value)
  })

  it('come back as they were written', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        return new FieldReader(new FieldWriter().long(value).end()).long() === value
      }),
    )
  })
})

describe('delegation token', () => {
  it('is Hadoop’s to the byte', () => {
    const identifierBytes = formatIdentifier(vector.identifier)
    expect(identifierBytes.toString('hex')).toBe(vector.identifierHex)
    const password = tokenPassword(identifierBytes, vector.masterKey)
    expect(password.toString('hex')).toBe(vector.passwordHex)
    expect(formatToken({ identifierBytes, password, service: vector.service })).toBe(
      vector.urlString,
    )
    expect(describeToken(vector.identifier)).toBe(vector.text)
  })

  it('is read back whole', () => {
    const token = parseToken(vector.urlString)
    expect(token.identifier).toEqual(vector.identifier)
    expect(token.service).toBe(vector.service)
    expect(isTokenPassword(token, vector.masterKey)).toBe(true)
    expect(isTokenPassword(token, Buffer.from('another'))).toBe(false)
  })

  it('is refused when it is cut anywhere or something follows', () => {
    const bytes = Buffer.from(vector.urlString, 'base64url')
    for (let length = 0; length < bytes.length; length += 1)
      expect(() => parseToken(bytes.subarray(0, length).toString('base64url'))).toThrow('token')
    const longer = Buffer.concat([bytes, Buffer.from([0])]).toString('base64url')
    expect(() => parseToken(longer)).toThrow('token')
    expect(() => parseToken('not base64!')).toThrow('token')
  })

  it('round-trips and never crashes on other bytes', () => {
    const name = fc.string({ unit: 'grapheme', maxLength: 40 })
    const instant = fc.integer({ min: 0, max: 2 ** 48 })
    fc.assert(
      fc.property(name, name, instant, fc.nat(), (owner, renewer, issueDate, sequenceNumber) => {
        const identifier = {
          owner,
          renewer,
          realUser: '',
          issueDate,
          maxDate: issueDate,
          sequenceNumber,
          masterKeyId: 1,
        }
        expect(parseIdentifier(formatIdentifier(identifier))).toEqual(identifier)
      }),
      { numRuns: 100 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          parseToken(Buffer.from(bytes).toString('base64url'))
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_INVALID_INPUT' })
        }
      }),
    )
  })
})
