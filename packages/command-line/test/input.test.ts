import { parseHandle } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { optionGiven, optionText, optionTexts, requiredText } from '../src/input.js'
import { echoCommand, programOf, runWith } from './sample.js'

const command = echoCommand({
  arguments: [{ name: 'handle', describe: 'h', optional: true, check: parseHandle }],
  options: [
    { flag: 'old', value: 'S', describe: 'o', deprecated: 'use --new' },
    {
      flag: 'label',
      value: 'L',
      describe: 'l',
      env: 'LABEL',
      check: (text) => parseHandle(text, '--label'),
    },
    { flag: 'force', describe: 'f', env: 'FORCE' },
    { flag: 'tag', value: 'T', describe: 't', env: 'TAG', repeatable: true },
    { flag: 'file', value: 'F', describe: 'f', file: true },
  ],
  run: async ({ options }) => options,
})
const program = programOf(command)

describe('checkCall', () => {
  it('takes the environment where an option is not given', async () => {
    const env = { LABEL: 'from-env', FORCE: 'true', TAG: 'x' }
    const { out } = await runWith(program, ['echo', '--json'], { env })
    expect(JSON.parse(out)).toEqual({ label: 'from-env', force: true, tag: ['x'] })
    const given = await runWith(program, ['echo', '--json', '--label', 'given'], {
      env: { ...env, FORCE: 'no' },
    })
    expect(JSON.parse(given.out)).toEqual({ label: 'given', force: false, tag: ['x'] })
  })

  it('warns about a deprecated option in one line without its value', async () => {
    const { err } = await runWith(program, ['echo', '--old', 'marked-secret'])
    expect(err).toBe('sample: warning: --old is deprecated: use --new\n')
  })

  it('checks options and arguments before it reads a file', async () => {
    const handle = await runWith(program, ['echo', '/x', '--file', '/nonexistent'])
    expect([handle.status, handle.err]).toEqual([
      2,
      'sample: handle must start with a letter or digit and hold only letters, digits, ".", "_" and "-"\n',
    ])
    const label = await runWith(program, ['echo'], { env: { LABEL: ' ' } })
    expect(label.err).toContain('sample: --label must start with')
  })

  it('refuses a missing required option', async () => {
    const needy = programOf(
      echoCommand({ options: [{ flag: 'x', value: 'X', describe: 'x', required: true }] }),
    )
    const outcome = await runWith(needy, ['echo'])
    expect(outcome).toEqual({ status: 2, out: '', err: 'sample: --x is required\n' })
  })
})

describe('typed access', () => {
  const input = { options: { a: 'text', b: true, c: ['1', '2'] } }
  it('returns values of the asked type only', () => {
    expect([optionText(input, 'a'), optionText(input, 'b')]).toEqual(['text', undefined])
    expect([optionGiven(input, 'b'), optionGiven(input, 'a')]).toEqual([true, false])
    expect([optionTexts(input, 'c'), optionTexts(input, 'a')]).toEqual([['1', '2'], []])
    expect(requiredText(input, 'a')).toBe('text')
    expect(() => requiredText(input, 'nope')).toThrow('--nope is required')
  })
})
