import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { maxLineBytes } from '../../src/audit/lines.js'
import { type RawLine, readFirstLine, readLines } from '../../src/audit/read-lines.js'
import { useDirectory } from './audit-testing.js'

const directory = useDirectory()

function write(content: string | Uint8Array): string {
  mkdirSync(directory.path, { recursive: true })
  const path = join(directory.path, 'f')
  writeFileSync(path, content)
  return path
}

async function all(content: string | Uint8Array): Promise<RawLine[]> {
  const lines: RawLine[] = []
  for await (const line of readLines(write(content))) lines.push(line)
  return lines
}

describe('readLines', () => {
  it('numbers lines and marks one without an end', async () => {
    expect(await all('a\n\nä\r\nlast')).toEqual([
      { number: 1, text: 'a', whole: true, bytes: 1 },
      { number: 2, text: '', whole: true, bytes: 0 },
      { number: 3, text: 'ä\r', whole: true, bytes: 3 },
      { number: 4, text: 'last', whole: false, bytes: 4 },
    ])
    expect(await all('')).toEqual([])
  })

  it('does not care where its reads end', async () => {
    const text = Array.from({ length: 60_000 }, (_, n) => `ä${n}`)
    const lines = await all(text.map((line) => `${line}\n`).join(''))
    expect(lines.map((line) => line.text)).toEqual(text)
  })

  it('holds no line longer than any of ours, and reads on after it', async () => {
    const lines = await all(`${'x'.repeat(3_000_000)}\n${'y'.repeat(maxLineBytes)}\nz\n`)
    expect(lines.map((line) => line.text?.length)).toEqual([undefined, maxLineBytes, 1])
    expect(lines[0]?.bytes).toBe(3_000_000)
  })

  it('gives no text for bytes that are no UTF-8, and keeps a byte order mark', async () => {
    const lines = await all(Buffer.from([0xff, 0x0a, 0xef, 0xbb, 0xbf, 0x61, 0x0a]))
    expect(lines.map((line) => line.text)).toEqual([undefined, '\ufeffa'])
  })
})

describe('readFirstLine', () => {
  it('gives a whole line or nothing', async () => {
    expect(await readFirstLine(write('a\nb'))).toBe('a')
    expect(await readFirstLine(write('a'))).toBeUndefined()
    expect(await readFirstLine(write(''))).toBeUndefined()
  })
})
