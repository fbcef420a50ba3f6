import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { pkcs11Profiles } from '../../src/profiles.js'
import { findLibrary, hostEnvironment, tokenSharing } from '../../src/service/host-environment.js'

const { softhsm, thales, luna, nss } = pkcs11Profiles
let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keyhsm-environment-'))
})

afterEach(() => rm(directory, { recursive: true }))

test('only what the library reads is passed on, and what the caller adds', () => {
  const all = {
    PATH: '/bin',
    SOFTHSM2_CONF: '/a',
    CKNFAST_LOADSHARING: '1',
    NFAST_SERVER_PORT: '11500',
    KEYHSM_PIN: 'secret',
    NODE_OPTIONS: '--inspect',
  }
  expect(hostEnvironment(softhsm, all)).toEqual({ PATH: '/bin', SOFTHSM2_CONF: '/a' })
  expect(hostEnvironment(thales, all, { CKNFAST_DEBUG: '2' })).toEqual({
    PATH: '/bin',
    CKNFAST_LOADSHARING: '1',
    NFAST_SERVER_PORT: '11500',
    CKNFAST_DEBUG: '2',
  })
})

test('the first installed library is taken, a missing one named', () => {
  const profile = { ...luna, libraryPaths: ['/nowhere.so', '/bin/sh'] }
  expect(findLibrary(profile, undefined)).toBe('/bin/sh')
  expect(() => findLibrary(profile, '/other.so')).toThrow(
    expect.objectContaining({
      code: 'ERR_SETTINGS',
      message: expect.stringContaining('/other.so'),
    }),
  )
})

describe('the lock of a shared token', () => {
  async function configure(tokens: string, name = 'softhsm2.conf') {
    const file = join(directory, name)
    await writeFile(
      file,
      `# a comment\nobjectstore.backend = file\ndirectories.tokendir = ${tokens}\n`,
    )
    return tokenSharing(softhsm, { SOFTHSM2_CONF: file }, {})
  }

  test('is the same for two configurations of one directory, whatever its path', async () => {
    const tokens = join(directory, 'tokens')
    await mkdir(tokens)
    await symlink(tokens, join(directory, 'alias'))
    const [one, two] = [
      await configure(tokens),
      await configure(join(directory, 'alias'), 'b.conf'),
    ]
    expect(one?.lockName).toBe(two?.lockName)
    expect(one?.stamp).toEqual({ directory: tokens, file: 'generation' })
  })

  test('is another for another directory', async () => {
    await mkdir(join(directory, 'a'))
    await mkdir(join(directory, 'b'))
    const [one, two] = [
      await configure(join(directory, 'a')),
      await configure(join(directory, 'b')),
    ]
    expect(one?.lockName).not.toBe(two?.lockName)
  })

  test('is there also when the configuration cannot be read; then nothing is assumed', () => {
    const sharing = tokenSharing(softhsm, { SOFTHSM2_CONF: join(directory, 'absent') }, {})
    expect(sharing?.lockName).toMatch(/^[0-9a-f]{40}$/)
    expect(sharing?.stamp).toBeUndefined()
  })

  test('depends on the parameters where those name the token, and devices have none', () => {
    const one = tokenSharing(nss, {}, { libraryParameters: 'a' })
    const two = tokenSharing(nss, {}, { libraryParameters: 'b' })
    expect(one?.lockName).not.toBe(two?.lockName)
    expect(tokenSharing(luna, {}, {})).toBeUndefined()
  })
})
