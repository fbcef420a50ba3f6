import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { echoCommand, programOf, runWith } from './sample.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'read-files-'))
  writeFileSync(join(folder, 'content'), Buffer.from([0, 1, 255, 10]))
})
afterAll(() => rmSync(folder, { recursive: true }))

const command = echoCommand({
  arguments: [{ name: 'file', describe: 'a file', optional: true, file: true, maxBytes: 4 }],
  options: [{ flag: 'pin-file', value: 'F', describe: 'the PIN', file: true, secret: true }],
  run: async ({ files }) =>
    Object.fromEntries(Object.entries(files).map(([k, v]) => [k, v.toString('hex')])),
})
const program = programOf(command)

describe('readFiles', () => {
  it('reads arguments, options and standard input as bytes', async () => {
    const argv = ['echo', join(folder, 'content'), '--pin-file', '-', '--json']
    const { out } = await runWith(program, argv, { text: '1234\n' })
    expect(JSON.parse(out)).toEqual({ file: '0001ff0a', 'pin-file': '313233340a' })
  })

  it('asks for a secret without echo when standard input is a terminal', async () => {
    const askSecret = vi.fn(async () => 'pin')
    const { out } = await runWith(program, ['echo', '--pin-file', '-', '--json'], {
      isTerminal: true,
      askSecret,
    })
    expect(JSON.parse(out)).toEqual({ 'pin-file': '70696e' })
    expect(askSecret).toHaveBeenCalledWith('--pin-file: ')
  })

  it.each([
    ['/nonexistent/f', 'file names a file that does not exist: /nonexistent/f'],
    ['/', 'file names a directory: /'],
    ['/etc/passwd/x', 'file names a file that does not exist: /etc/passwd/x'],
    ['/dev/zero', 'file must be at most 4 bytes'],
  ])('refuses %s with one line and status 2', async (path, message) => {
    const outcome = await runWith(program, ['echo', path])
    expect(outcome).toEqual({ status: 2, out: '', err: `sample: ${message}\n` })
  })

  it('refuses two uses of standard input and more input than allowed', async () => {
    const twice = await runWith(program, ['echo', '-', '--pin-file', '-'])
    expect([twice.status, twice.err]).toEqual([2, 'sample: file, --pin-file cannot all be "-"\n'])
    const big = await runWith(program, ['echo', '-'], { text: '12345' })
    expect([big.status, big.err]).toEqual([2, 'sample: file must be at most 4 bytes\n'])
  })
})
