import { Decrypter, Encrypter, generateHybridIdentity, identityToRecipient } from 'age-encryption'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openHybrid, readHybridIdentity, sealHybrid } from '../../src/sealing/hybrid-content.js'

const identity = await generateHybridIdentity()
const recipient = await identityToRecipient(identity)
const stranger = await generateHybridIdentity()
const reader = readHybridIdentity(identity)
const chunk = 64 * 1024
const lengths = [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 3 * chunk + 5]

function contentOf(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (at * 7) % 251))
}

async function openWithLibrary(file: Uint8Array): Promise<Buffer> {
  const decrypter = new Decrypter()
  decrypter.addIdentity(identity)
  return Buffer.from(await decrypter.decrypt(file))
}

async function sealWithLibrary(content: Uint8Array): Promise<Buffer> {
  const encrypter = new Encrypter()
  encrypter.addRecipient(recipient)
  return Buffer.from(await encrypter.encrypt(content))
}

describe('hybrid content', () => {
  it.each(lengths)(
    'of %i bytes is read by the age library, with and without own stanza',
    async (length) => {
      const content = contentOf(length)
      for (const owner of [identity, undefined]) {
        const file = sealHybrid(content, [recipient], owner)
        expect((await openWithLibrary(file)).equals(content)).toBe(true)
        expect(openHybrid(file, [reader])?.equals(content)).toBe(true)
      }
    },
  )

  it.each(lengths)('of %i bytes written by the age library is read', async (length) => {
    const content = contentOf(length)
    expect(openHybrid(await sealWithLibrary(content), [reader])?.equals(content)).toBe(true)
  })

  it('opens by the own stanza alone, and by the hybrid one alone', async () => {
    const content = contentOf(100)
    const theirs = await identityToRecipient(stranger)
    const file = sealHybrid(content, [theirs], identity)
    expect(openHybrid(file, [reader])?.equals(content)).toBe(true)
    expect(openHybrid(file, [readHybridIdentity(stranger)])?.equals(content)).toBe(true)
    expect(openHybrid(file, [readHybridIdentity(await generateHybridIdentity())])).toBeUndefined()
  })

  it('opens for the second of several readers and identities', async () => {
    const theirs = await identityToRecipient(stranger)
    const file = sealHybrid(contentOf(9), [theirs, recipient], stranger)
    const nobody = readHybridIdentity(await generateHybridIdentity())
    expect(openHybrid(file, [nobody, reader])?.equals(contentOf(9))).toBe(true)
  })

  it('refuses a file with any byte changed', () => {
    const file = sealHybrid(contentOf(20), [recipient], identity)
    // Every byte but those of the hybrid stanza, of which some are enough: each costs a decapsulation.
    const offsets = [...file.keys()].filter((at) => at < 60 || at > 1500 || at % 97 === 0)
    for (const at of offsets) {
      const changed = Buffer.from(file)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      expect(attempt(changed), `byte ${at}`).toBeUndefined()
    }
  })

  it('refuses a file cut anywhere, and one with more behind it', () => {
    const file = sealHybrid(contentOf(chunk + 1), [recipient], identity)
    const ends = [0, 21, 22, 40, 1600, 1750, file.length - chunk, file.length - 17, file.length - 1]
    for (const end of ends) expect(attempt(file.subarray(0, end)), `at ${end}`).toBeUndefined()
    expect(attempt(Buffer.concat([file, Buffer.alloc(1)]))).toBeUndefined()
    const chunks = sealHybrid(contentOf(2 * chunk), [recipient], identity)
    expect(attempt(chunks.subarray(0, -(chunk + 16)))).toBeUndefined()
  })

  it('refuses what the library refuses, whatever is done to the header', async () => {
    const lines = sealHybrid(contentOf(3), [recipient], identity).toString('latin1').split('\n')
    const line = fc.oneof(
      fc.constantFrom(...lines.slice(0, 40)),
      fc.constantFrom(
        '',
        '->',
        '-> ',
        '-> a  b',
        '-> mlkem768x25519',
        '---',
        '--- ',
        'AAAA',
        'AAB',
        '\u00e9',
      ),
    )
    const header = fc.tuple(fc.nat(39), fc.nat(2), fc.array(line, { maxLength: 3 }))
    await fc.assert(
      fc.asyncProperty(header, async ([at, removed, added]) => {
        const changed = [...lines]
        changed.splice(at, removed, ...added)
        const file = Buffer.from(changed.join('\n'), 'latin1')
        const theirs = await openWithLibrary(file).catch(() => undefined)
        expect(attempt(file)?.toString('hex')).toBe(theirs?.toString('hex'))
      }),
      { numRuns: 60 },
    )
  })

  it('names identities and recipients that are none', async () => {
    expect(() => readHybridIdentity(recipient)).toThrow()
    expect(() =>
      readHybridIdentity(identity.replace(/.$/, (last) => (last === 'Q' ? 'P' : 'Q'))),
    ).toThrow()
    expect(() => sealHybrid(contentOf(1), [identity], undefined)).toThrow()
  })
})

function attempt(file: Buffer): ReturnType<typeof openHybrid> {
  try {
    return openHybrid(file, [reader])
  } catch {
    return undefined
  }
}
