import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findAccount } from '../src/accounts.js'
import { ensureHome, findServiceAccount, requireHome } from '../src/privileges.js'

const isRoot = process.getuid?.() === 0
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'privileges-'))
  chmodSync(folder, 0o755)
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('ensureHome', () => {
  it('makes a folder that only its owner enters, with passable parents', () => {
    const path = join(folder, 'root/keyhsm')
    ensureHome(path)
    expect(statSync(path).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, 'root')).mode & 0o777).toBe(0o755)
  })

  it('closes an open folder that exists', () => {
    const path = join(folder, 'open')
    mkdirSync(path, { mode: 0o777 })
    ensureHome(path)
    expect(statSync(path).mode & 0o777).toBe(0o700)
  })

  it('refuses a symbolic link and a file', () => {
    symlinkSync('/etc', join(folder, 'link'))
    writeFileSync(join(folder, 'file'), '')
    for (const name of ['link', 'file'])
      expect(() => ensureHome(join(folder, name))).toThrow(
        expect.objectContaining({ code: 'ERR_SETTINGS' }),
      )
    expect(lstatSync('/etc').mode & 0o777).toBe(0o755)
  })

  it.runIf(isRoot)('gives it to the account, but not a folder of a third one (needs root)', () => {
    const nobody = findAccount('nobody')
    const path = join(folder, 'service')
    ensureHome(path, nobody)
    expect(statSync(path).uid).toBe(nobody?.uid)
    const foreign = join(folder, 'foreign')
    mkdirSync(foreign)
    chownSync(foreign, 12345, 12345)
    expect(() => ensureHome(foreign, nobody)).toThrow('belongs to another user')
    expect(statSync(foreign).uid).toBe(12345)
  })
})

describe('requireHome', () => {
  it('makes nothing where nothing is, and names what does', () => {
    const path = join(folder, 'typo/keyhsm')
    expect(() => requireHome(path, 'keyhsm')).toThrow(
      expect.objectContaining({
        code: 'ERR_SETTINGS',
        message: `nothing is set up: there is no folder ${path}`,
        hints: [expect.stringMatching(/`keyhsm setup HSM`.*--home DIR.*KEYHSM_HOME/)],
      }),
    )
    expect(existsSync(join(folder, 'typo'))).toBe(false)
  })

  it('takes a folder that exists as ensureHome does, and refuses what is none', () => {
    const path = join(folder, 'open')
    mkdirSync(path, { mode: 0o777 })
    requireHome(path, 'keyhsm')
    expect(statSync(path).mode & 0o777).toBe(0o700)
    symlinkSync(join(folder, 'nowhere'), join(folder, 'link'))
    expect(() => requireHome(join(folder, 'link'), 'keyhsm')).toThrow('cannot make or use')
  })
})

describe('findServiceAccount', () => {
  it.runIf(isRoot)('refuses an unknown user and root (needs root)', () => {
    expect(() => findServiceAccount('keyhsm', { KEYHSM_USER: 'no-such-account' })).toThrow(
      'the operating system user no-such-account does not exist',
    )
    expect(() => findServiceAccount('keytrustee', { KEYTRUSTEE_USER: 'root' })).toThrow(
      'must not name root',
    )
    expect(findServiceAccount('keyhsm', { KEYHSM_USER: 'nobody' })).toMatchObject({
      name: 'nobody',
    })
  })

  it.runIf(!isRoot)('finds nothing to drop to when it is not root (needs a normal user)', () => {
    expect(findServiceAccount('keyhsm', { KEYHSM_USER: 'no-such-account' })).toBeUndefined()
  })
})

describe.runIf(isRoot)('a program started as root (needs root)', () => {
  /** Runs the built package: a process can drop its privileges only once. */
  function runAsRoot(home: string, { cwd = folder, words = ['who'] } = {}) {
    const script = join(folder, 'sample.mjs')
    writeFileSync(join(folder, 'input'), 'only root reads this', { mode: 0o600 })
    writeFileSync(
      script,
      `import { runProgram, homeIn } from ${JSON.stringify(join(import.meta.dirname, '../dist/index.js'))}
      const run = async ({ files, home }) => ({ uid: process.getuid(), gid: process.getgid(), groups: process.getgroups(),
        read: files.input.toString(), home: process.env.HOME, sudo: process.env.SUDO_USER ?? null, cwd: process.cwd() })
      const common = { summary: 's', arguments: [{ name: 'input', describe: 'i', file: true }], run }
      const commands = [
        { ...common, name: 'who', setsUp: true, options: [{ flag: 'dry-run', describe: 'd' }] },
        { ...common, name: 'look' },
      ]
      const program = { name: 'sample', version: '1', summary: 's', commands, defaultHome: () => homeIn('/x'), user: 'keyhsm' }
      process.exitCode = await runProgram(program, process.argv.slice(2))`,
    )
    const argv = [script, ...words, join(folder, 'input'), '--home', home, '--json']
    const env = {
      PATH: process.env['PATH'] ?? '',
      KEYHSM_USER: 'nobody',
      HOME: '/root',
      SUDO_USER: 'me',
    }
    return spawnSync(process.execPath, argv, { encoding: 'utf8', timeout: 20_000, env, cwd })
  }

  it('reads its files, then continues as the service account for good', () => {
    const { status, stdout, stderr } = runAsRoot(join(folder, 'home'))
    expect(stderr).toBe('Dropped privileges to nobody\n')
    expect(status).toBe(0)
    const nobody = findAccount('nobody')
    expect(JSON.parse(stdout)).toEqual({
      uid: nobody?.uid,
      gid: nobody?.gid,
      groups: [nobody?.gid],
      read: 'only root reads this',
      home: nobody?.home,
      sudo: null,
      cwd: folder,
    })
    expect(statSync(join(folder, 'home/keyhsm')).uid).toBe(nobody?.uid)
  })

  it('makes no home for a command that only looks, nor for a dry run', () => {
    const home = join(folder, 'typo')
    const look = runAsRoot(home, { words: ['look'] })
    expect([look.status, JSON.parse(look.stderr)]).toMatchObject([78, { code: 'ERR_SETTINGS' }])
    const closed = join(folder, 'closed')
    mkdirSync(closed, { mode: 0o700 })
    const dry = runAsRoot(home, { words: ['who', '--dry-run'], cwd: closed })
    expect(dry.status).toBe(0)
    expect(JSON.parse(dry.stdout)).toMatchObject({ uid: findAccount('nobody')?.uid, cwd: '/' })
    expect(existsSync(home)).toBe(false)
  })

  it('says so when the account cannot enter its home', () => {
    const closed = join(folder, 'closed')
    mkdirSync(closed, { mode: 0o700 })
    const { status, stderr } = runAsRoot(join(closed, 'home'))
    expect(status).toBe(78)
    expect(stderr).toContain('the user nobody cannot enter')
  })
})
