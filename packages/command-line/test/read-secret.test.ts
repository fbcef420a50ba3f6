import { describe, expect, it } from 'vitest'
import { findSecret, readSecret } from '../src/read-secret.js'
import type { Input, Io } from '../src/records.js'
import { openIo } from '../src/io.js'

const source = { flag: 'auth', fileFlag: 'auth-file', env: 'AUTH', prompt: 'Auth secret' }

function inputOf(given: { file?: string; argument?: string }): Input {
  return {
    args: {},
    options: given.argument === undefined ? {} : { auth: given.argument },
    files: given.file === undefined ? {} : { 'auth-file': Buffer.from(given.file) },
    home: { root: '', keyhsm: '', keytrustee: '', client: '', 'keytrustee-kms': '' },
  }
}

function ioOf(given: Partial<Io>): Io {
  return openIo('sample', false, { env: {}, isTerminal: false, ...given })
}

describe('readSecret', () => {
  it.each([
    [{ file: 'of file\n' }, {}, 'of file'],
    [{ file: 'of file\r\n' }, { AUTH: 'of env' }, 'of file'],
    [{ argument: 'of argument' }, { AUTH: 'of env' }, 'of argument'],
    [{}, { AUTH: 'of env' }, 'of env'],
  ])('takes the first there is: %j %j', async (given, env, secret) => {
    expect(await readSecret(inputOf(given), ioOf({ env }), source)).toBe(secret)
  })

  it.each([
    [{ file: '' }, '--auth-file must not be empty'],
    [{ file: 'two\nlines' }, '--auth-file must be one line'],
    [{ argument: '' }, '--auth must not be empty'],
    [{ file: 'a', argument: 'b' }, '--auth cannot be combined with --auth-file'],
    [{}, '--auth-file is needed: give a file, "-" or the environment variable AUTH'],
  ])('refuses %j', async (given, message) => {
    await expect(readSecret(inputOf(given), ioOf({}), source)).rejects.toThrow(message)
  })

  it('asks on a terminal only, twice when a secret is made', async () => {
    const answers = ['one', 'one', 'one', 'other', '']
    const io = ioOf({ isTerminal: true, askSecret: async () => answers.shift() ?? '' })
    const twice = { ...source, confirm: true } as const
    expect(await readSecret(inputOf({}), io, twice)).toBe('one')
    await expect(readSecret(inputOf({}), io, twice)).rejects.toThrow('not the same both times')
    await expect(readSecret(inputOf({}), io, source)).rejects.toThrow('must not be empty')
  })

  it('finds nothing without asking', () => {
    expect(
      findSecret(inputOf({}), ioOf({ isTerminal: true, env: { AUTH: '' } }), source),
    ).toBeUndefined()
  })
})
