import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseHandle, parseUuid } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { openAsReader } from '../../src/sealing/open-as-reader.js'

interface Vectors {
  readonly reader: string
  readonly x25519Reader: string
  readonly writer: string
  readonly organisation: string
  readonly handle: string
  readonly writtenAt: string
  readonly opens: readonly { name: string; sealed: string; content: string }[]
  readonly refuses: readonly { name: string; sealed: string; why: string }[]
}

const file = join(import.meta.dirname, '../vectors/client-sealed-v1.json')
const vectors: Vectors = JSON.parse(readFileSync(file, 'utf8'))
const order = {
  organisation: parseUuid(vectors.organisation),
  handle: parseHandle(vectors.handle),
  identities: [vectors.reader, vectors.x25519Reader],
  writers: [vectors.writer],
}

const refusals: Readonly<Record<string, string>> = {
  'not-ours': 'the content was not sealed for this client, or it was changed',
  'another-place': 'the content was deposited under another handle or in another organisation',
  'unknown-writer': 'the content was not written by a pinned writer',
}

describe('openAsReader', () => {
  it.each(vectors.opens)('opens the frozen vector: $name', async ({ sealed, content }) => {
    const opened = await openAsReader(Buffer.from(sealed, 'base64'), order)
    expect(opened.content.toString('hex')).toBe(content)
    expect(opened.statement).toMatchObject({
      organisation: vectors.organisation,
      handle: vectors.handle,
      writtenAt: new Date(vectors.writtenAt),
    })
  })

  it.each(vectors.refuses)('refuses the frozen vector: $name', async ({ sealed, why }) => {
    await expect(openAsReader(Buffer.from(sealed, 'base64'), order)).rejects.toMatchObject({
      code: 'ERR_INTEGRITY',
      message: refusals[why],
    })
  })

  it('believes nobody when no writer is pinned', async () => {
    const sealed = Buffer.from(vectors.opens[0]?.sealed ?? '', 'base64')
    await expect(openAsReader(sealed, { ...order, writers: [] })).rejects.toMatchObject({
      code: 'ERR_INTEGRITY',
      hints: [expect.stringMatching(/^SHA-256 of the writer's identity key: [0-9a-f]{64}$/)],
    })
  })

  it('says that the identity is broken when it is ours that is none', async () => {
    const sealed = Buffer.from(vectors.opens[0]?.sealed ?? '', 'base64')
    const mistyped = vectors.reader.replace(/.$/, (last) => (last === 'Q' ? 'P' : 'Q'))
    for (const identity of ['nonsense', mistyped])
      await expect(
        openAsReader(sealed, { ...order, identities: [identity] }),
      ).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
  })
})
