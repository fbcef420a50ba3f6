import { newUuid, parseHandle, SecretBytes } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { openGrants } from '../../src/grants.js'
import { createPassThroughSealer } from '../../src/sealing/pass-through.js'

const sealer = createPassThroughSealer(openGrants(SecretBytes.random(32)))
const context = {
  organisation: newUuid(),
  deposit: newUuid(),
  handle: parseHandle('h'),
  revision: 1,
}
const requestId = newUuid()

async function store(content: Buffer): Promise<Buffer> {
  return (await sealer.seal({ requestId, context, content })).stored
}

describe('pass-through', () => {
  test.each([[''], ['x'], ['\0\0\0']])(
    'gives back %j as it was, and keeps it as it is',
    async (text) => {
      const content = Buffer.from(text)
      const stored = await store(content)
      expect(stored.subarray(0, 5)).toEqual(Buffer.from('KTPT\x01'))
      expect(stored.subarray(37)).toEqual(content)
      expect(await sealer.open({ requestId, context, stored, canary: undefined })).toEqual(content)
    },
  )

  test('refuses a flipped bit anywhere, a cut and a longer one', async () => {
    const stored = await store(Buffer.from('content'))
    for (let index = 0; index < stored.length; index += 1) {
      const changed = Buffer.from(stored)
      changed.writeUInt8(changed.readUInt8(index) ^ 1, index)
      await expect(
        sealer.open({ requestId, context, stored: changed, canary: undefined }),
      ).rejects.toThrow('irretrievable')
    }
    for (const changed of [
      stored.subarray(0, -1),
      Buffer.concat([stored, Buffer.alloc(1)]),
      Buffer.alloc(0),
    ])
      await expect(
        sealer.open({ requestId, context, stored: changed, canary: undefined }),
      ).rejects.toThrow('irretrievable')
  })

  test('refuses bytes moved to another place, and another server’s', async () => {
    const stored = await store(Buffer.from('content'))
    const moved = [
      { ...context, organisation: newUuid() },
      { ...context, deposit: newUuid() },
      { ...context, handle: parseHandle('i') },
      { ...context, revision: 2 },
    ]
    for (const place of moved)
      await expect(
        sealer.open({ requestId, context: place, stored, canary: undefined }),
      ).rejects.toThrow('irretrievable')
    const other = createPassThroughSealer(openGrants(SecretBytes.random(32)))
    await expect(other.open({ requestId, context, stored, canary: undefined })).rejects.toThrow(
      'irretrievable',
    )
  })
})
