import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { openIo } from '../src/io.js'
import { printTable, printValue } from '../src/output.js'
import type { Command } from '../src/records.js'
import { echoCommand } from './sample.js'

async function printed(value: unknown, given: { json?: boolean; command?: Partial<Command> } = {}) {
  const stdout = new PassThrough()
  await printValue(
    echoCommand(given.command),
    value,
    openIo('sample', given.json ?? false, { stdout }),
  )
  return String(stdout.read() ?? '')
}

describe('printValue', () => {
  it('chooses the form by the value', async () => {
    expect(await printed(undefined)).toBe('')
    expect(await printed('a line')).toBe('a line\n')
    expect(await printed({ a: 1, long: [1], none: undefined })).toBe('a:    1\nlong: [1]\n')
    expect(await printed(['x', 'y'])).toBe('x\ny\n')
    expect(await printed([{ id: 'ab', n: 1 }, { id: 'c' }])).toBe('ID  N\nab  1\nc   -\n')
  })

  it('lets the command print', async () => {
    const print: NonNullable<Command['print']> = (value: string, io) =>
      void io.stdout.write(`<${value}>`)
    expect(await printed('v', { command: { print } })).toBe('<v>')
    expect(await printed('v', { command: { print }, json: true })).toBe('"v"\n')
  })

  it('keeps terminal escapes and line ends out of cells', async () => {
    expect(await printed([{ handle: 'a\n\u001b[31m' }])).toBe('HANDLE\na\\x0a\\x1b[31m\n')
  })
})

describe('printTable', () => {
  it('prints the heading of an empty list', () => {
    const stdout = new PassThrough()
    printTable([], ['handle', 'uuid'], { stdout })
    expect(String(stdout.read())).toBe('HANDLE  UUID\n')
  })
})
