import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { GatheredLines } from '../../src/log/gathered-lines.js'
import { RollingFile } from '../../src/log/rolling-file.js'

let directory: string
let lines: GatheredLines
const path = () => join(directory, 'x.log')
const read = () => readFileSync(path(), 'utf8')
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gathered-'))
  lines = new GatheredLines(new RollingFile({ path: path(), describeLoss: (n) => `${n} lost\n` }))
})
afterEach(() => rmSync(directory, { recursive: true }))

it('writes the lines of one turn of the event loop at its end, in their order', async () => {
  for (const line of ['a\n', 'b\n', 'c\n']) lines.write(line)
  expect(read()).toBe('')
  await nextTurn()
  expect(read()).toBe('a\nb\nc\n')
  lines.write('d\n')
  await nextTurn()
  expect(read()).toBe('a\nb\nc\nd\n')
  lines.close()
})

it('goes on in another file, or in the same one opened anew', async () => {
  lines.write('a\n')
  lines.moveTo(new RollingFile({ path: path(), describeLoss: (n) => `${n} lost\n` }))
  lines.write('b\n')
  await nextTurn()
  expect(read()).toBe('a\nb\n')
  lines.moveTo(new RollingFile({ path: `${path()}.other`, describeLoss: (n) => `${n} lost\n` }))
  lines.write('c\n')
  lines.close()
  expect(read()).toBe('a\nb\n')
  expect(readFileSync(`${path()}.other`, 'utf8')).toBe('c\n')
})

it('writes what is waiting before the file is closed, and nothing twice', async () => {
  lines.write('a\n')
  lines.flush()
  lines.write('b\n')
  lines.close()
  await nextTurn()
  expect(read()).toBe('a\nb\n')
})
