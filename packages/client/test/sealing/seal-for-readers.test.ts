import { generateKeyPairSync } from 'node:crypto'
import { parseHandle, parseUuid } from '@keyhsm/core'
import { generateHybridIdentity, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { describe, expect, it } from 'vitest'
import { openAsReader } from '../../src/sealing/open-as-reader.js'
import { isAgeFile, sealForReaders } from '../../src/sealing/seal-for-readers.js'
import { formatWriterKey } from '../../src/sealing/writer-key.js'

const { privateKey: writer } = generateKeyPairSync('ed25519')
const place = {
  organisation: parseUuid('6f9619ff-8b86-4d01-b42d-00cf4fc964ff'),
  handle: parseHandle('h'),
}

async function sealFor(content: Uint8Array, ...recipients: string[]): Promise<Buffer> {
  return await sealForReaders(content, { ...place, writer, recipients, writtenAt: new Date() })
}

describe('sealForReaders', () => {
  it.each([0, 1, 1023, 65_536, 1_048_576])(
    'seals %i bytes that open identically',
    async (length) => {
      const identity = await generateHybridIdentity()
      const content = Buffer.alloc(length, 0xa5)
      const sealed = await sealFor(content, await identityToRecipient(identity))
      expect(isAgeFile(sealed)).toBe(true)
      expect(sealed.length - length).toBeLessThan(2500)
      expect(sealed.includes(Buffer.alloc(16, 0xa5))).toBe(false)
      const order = { ...place, identities: [identity], writers: [formatWriterKey(writer)] }
      expect((await openAsReader(sealed, order)).content.equals(content)).toBe(true)
    },
  )

  it('seals the same content differently each time', async () => {
    const recipient = await identityToRecipient(await generateHybridIdentity())
    const content = Buffer.from('same')
    expect((await sealFor(content, recipient)).equals(await sealFor(content, recipient))).toBe(
      false,
    )
  })

  it('refuses recipients of two kinds, none, and what is no recipient', async () => {
    const hybrid = await identityToRecipient(await generateHybridIdentity())
    const x25519 = await identityToRecipient(await generateX25519Identity())
    for (const recipients of [
      [hybrid, x25519],
      [],
      ['age1x'],
      [hybrid.slice(0, -1)],
      [`${x25519}b`],
    ])
      await expect(sealFor(Buffer.from('c'), ...recipients)).rejects.toMatchObject({
        code: 'ERR_INVALID_INPUT',
      })
    expect((await sealFor(Buffer.from('c'), x25519, x25519)).length).toBeGreaterThan(0)
  })
})
