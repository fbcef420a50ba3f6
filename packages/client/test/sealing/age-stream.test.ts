import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { findRecipient, makeAgeIdentity } from '../../src/sealing/age-identity.js'
import {
  type AgeKey,
  type AgeReaders,
  decryptStream,
  encryptStream,
  parseIdentityFile,
  parseRecipientsFile,
} from '../../src/sealing/age-stream.js'

const content = randomBytes(200_000)

async function seal(readers: AgeReaders): Promise<Buffer> {
  return collect(await encryptStream(Readable.from([content]), readers))
}

async function open(sealed: Buffer, key: AgeKey): Promise<Buffer> {
  return collect(await decryptStream(Readable.from([sealed]), key))
}

async function collect(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(Buffer.from(part as Uint8Array))
  return Buffer.concat(parts)
}

async function makePair() {
  const identity = await makeAgeIdentity()
  return { identity, recipient: (await findRecipient(identity)) ?? '' }
}

describe('streams in the age format', () => {
  it('give each recipient the content, and nobody else', async () => {
    const [one, other, stranger] = await Promise.all([makePair(), makePair(), makePair()])
    const sealed = await seal({ recipients: [one.recipient, other.recipient] })
    expect(sealed.includes(content.subarray(0, 64))).toBe(false)
    expect(await open(sealed, one)).toEqual(content)
    expect(await open(sealed, other)).toEqual(content)
    await expect(open(sealed, stranger)).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' })
  })

  it('open with their passphrase alone', async () => {
    const sealed = await seal({ passphrase: 'correct horse', workFactor: 10 })
    expect(await open(sealed, { passphrase: 'correct horse' })).toEqual(content)
    await expect(open(sealed, { passphrase: 'wrong' })).rejects.toMatchObject({
      code: 'ERR_NOT_ALLOWED',
    })
  })

  it.each([
    [
      'a flipped bit',
      (bytes: Buffer) => Object.assign(Buffer.from(bytes), { 150_000: 1 ^ (bytes[150_000] ?? 0) }),
    ],
    ['a cut end', (bytes: Buffer) => bytes.subarray(0, -1)],
    [
      'an end at a chunk',
      (bytes: Buffer) => bytes.subarray(0, bytes.length - (200_000 % 65_536) - 16),
    ],
    ['something added', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x')])],
  ])('end in an error after %s', async (_, change) => {
    const pair = await makePair()
    const sealed = await seal({ recipients: [pair.recipient] })
    await expect(open(change(sealed), pair)).rejects.toMatchObject({ code: 'ERR_INTEGRITY' })
  })

  it('are told from other files', async () => {
    const pair = await makePair()
    await expect(open(Buffer.from('no age file'), pair)).rejects.toMatchObject({
      code: 'ERR_INVALID_INPUT',
    })
    await expect(open(Buffer.from('x'), { identity: 'none' })).rejects.toMatchObject({
      code: 'ERR_INVALID_INPUT',
    })
  })

  it('refuse recipients that are none, or missing', async () => {
    await expect(seal({ recipients: [] })).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
    await expect(seal({ recipients: ['age1x'] })).rejects.toMatchObject({
      code: 'ERR_INVALID_INPUT',
    })
  })
})

describe('files of age-keygen', () => {
  it('give the identity or the recipients between comments', () => {
    expect(parseIdentityFile('# created\nAGE-SECRET-KEY-1ABC\n\n')).toBe('AGE-SECRET-KEY-1ABC')
    expect(parseRecipientsFile('# me\nage1a\n age1b \n')).toEqual(['age1a', 'age1b'])
  })

  it.each(['', '# only a comment\n', 'AGE-SECRET-KEY-1A\nAGE-SECRET-KEY-1B\n', 'age1recipient\n'])(
    'without one identity are refused: %j',
    (text) => expect(() => parseIdentityFile(text)).toThrow('must hold one age identity'),
  )
})
