import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { collect, formatFrames, type Part, parseFrames } from '../../src/backup/frames.js'

interface Plain {
  readonly name: string
  readonly chunks: readonly Buffer[]
}

async function* toParts(plain: readonly Plain[]): AsyncGenerator<Part> {
  for (const { name, chunks } of plain)
    yield { header: { part: 'x', name }, data: Readable.from(chunks) }
}

async function format(plain: readonly Plain[]): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of formatFrames(toParts(plain))) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function parse(bytes: Buffer, pieceBytes: number): Promise<{ name: string; data: Buffer }[]> {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes)
    pieces.push(bytes.subarray(at, at + pieceBytes))
  const found: { name: string; data: Buffer }[] = []
  for await (const { header, data } of parseFrames(Readable.from(pieces)))
    found.push({ name: header.name, data: await collect(data, 10_000_000) })
  return found
}

describe('the frames of a backup', () => {
  it('give back every part, however the bytes are cut', async () => {
    const chunk = fc.uint8Array({ minLength: 0, maxLength: 40 }).map((bytes) => Buffer.from(bytes))
    const part = fc.record({ name: fc.string(), chunks: fc.array(chunk, { maxLength: 4 }) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 4 }),
        fc.integer({ min: 1, max: 50 }),
        async (parts, size) => {
          const found = await parse(await format(parts), size)
          expect(found).toEqual(
            parts.map(({ name, chunks }) => ({ name, data: Buffer.concat(chunks) })),
          )
        },
      ),
      { numRuns: 50 },
    )
  })

  it('skip a part that nobody reads', async () => {
    const bytes = await format([
      { name: 'a', chunks: [Buffer.from('aaa')] },
      { name: 'b', chunks: [] },
    ])
    const names: string[] = []
    for await (const { header } of parseFrames(Readable.from([bytes]))) names.push(header.name)
    expect(names).toEqual(['a', 'b'])
  })

  it('are never half believed: every cut is noticed, but one between two parts', async () => {
    const bytes = await format([{ name: 'a', chunks: [Buffer.from('some bytes')] }])
    const whole = bytes.indexOf(0x0a) + 1
    for (let end = 0; end < bytes.length; end += 1) {
      if (end === whole) continue
      await expect(parse(bytes.subarray(0, end), 7), `cut at ${end}`).rejects.toMatchObject({
        code: 'ERR_INTEGRITY',
      })
    }
  })

  it.each(['another magic\n', 'keytrustee-backup 1\nno json\n', 'keytrustee-backup 1\n{}\n'])(
    'refuse %j',
    (text) =>
      expect(parse(Buffer.from(text), 100)).rejects.toMatchObject({ code: 'ERR_INTEGRITY' }),
  )

  it('refuse a chunk that is longer than any', async () => {
    const head = Buffer.from('keytrustee-backup 1\n{"part":"x","name":"x"}\n')
    const bytes = Buffer.concat([head, Buffer.from('7fffffff', 'hex')])
    await expect(parse(bytes, 100)).rejects.toMatchObject({ code: 'ERR_INTEGRITY' })
  })
})
