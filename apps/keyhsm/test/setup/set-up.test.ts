import { appendFile, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readRefusedLogins } from '@keyhsm/hsm'
import { describe, expect, it, vi } from 'vitest'
import { readConfiguration } from '../../src/configuration.js'
import { withPartition } from '../../src/commands/with-partition.js'
import { latchLogin, releaseLatch } from '../../src/login-latch.js'
import { setUp } from '../../src/setup/set-up.js'
import { toSettingsText } from '../../src/setup/settings-text.js'
import { makeHome, makeRoot, makeSoftToken, setUpOptions, startService, testPin } from '../home.js'

vi.setConfig({ testTimeout: 30_000 })

describe('setting up', () => {
  it('saves settings, TLS key and administrator key for their owner alone, the PIN sealed', async () => {
    const { paths } = await makeHome()
    const text = await readFile(paths.settings, 'utf8')
    expect(text).toMatch(/^soft-token\.pin=sealed:v1:/m)
    expect(text).not.toContain(testPin)
    const files = [
      'keystore/keyhsm.p12',
      'keystore/truststore.p12',
      'keystore/password',
      'keystore/settings.key',
      'admin/local.key',
    ]
    for (const file of [...files.map((name) => join(paths.home, name)), paths.settings]) {
      expect((await stat(file)).mode & 0o777).toBe(0o600)
    }
    const { settings, backends } = await readConfiguration(paths)
    const [{ pin }] = backends
    expect(pin.expose((bytes) => bytes.toString())).toBe(testPin)
    expect(settings).toMatchObject({ hardware: 'soft-token', scope: 'deposit', port: 0 })
  })

  it('keeps partition, keys, comments and what was not given when it runs again', async () => {
    const home = await makeHome({ 'keyhsm.key.scope': 'organisation' })
    const { paths } = home
    await appendFile(paths.settings, '# a remark\n')
    const before = {
      configuration: (await readConfiguration(paths)).settings,
      certificate: await readFile(join(paths.keystore, 'keyhsm.pem'), 'utf8'),
    }
    const again = await setUp(setUpOptions(home, { changes: { 'keyhsm.key.limit': '500' } }))
    expect(again.keysMade).toEqual([])
    const { settings } = await readConfiguration(paths)
    expect(settings).toEqual({ ...before.configuration, keyLimit: 500 })
    expect(await readFile(join(paths.keystore, 'keyhsm.pem'), 'utf8')).toBe(before.certificate)
    expect(await readFile(paths.settings, 'utf8')).toMatch(/^# a remark$/m)
  })

  it('saves nothing when the settings are bad or the device cannot be used', async () => {
    const home = await makeRoot()
    await makeSoftToken(home)
    const bad = { 'keyhsm.key.scope': 'all', 'keyhsm.server.port': '70000' }
    await expect(setUp(setUpOptions(home, { changes: bad }))).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      faults: [{ field: 'keyhsm.server.port' }, { field: 'keyhsm.key.scope' }],
    })
    const elsewhere = { 'soft-token.token.label': 'another' }
    await expect(setUp(setUpOptions(home, { changes: elsewhere }))).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
    })
    await expect(stat(home.paths.settings)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('leaves a file of an old product where our keystore would be, and says what to do', async () => {
    const home = await makeRoot()
    await makeSoftToken(home)
    await mkdir(home.paths.home, { recursive: true })
    await writeFile(home.paths.keystore, 'JKS')
    await expect(setUp(setUpOptions(home, {}))).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      hints: [expect.stringContaining('KEYHSM_HOME')],
    })
    expect(await readFile(home.paths.keystore, 'utf8')).toBe('JKS')
    await expect(stat(home.paths.settings)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('refuses another partition than before, unless forced', async () => {
    const home = await makeHome()
    const other = await makeRoot()
    await makeSoftToken(other)
    const changes = { 'soft-token.directory': other.tokenDirectory }
    await expect(setUp(setUpOptions(home, { changes }))).rejects.toMatchObject({
      code: 'ERR_WRONG_PARTITION',
    })
    const forced = await setUp(setUpOptions(home, { changes, force: true }))
    expect(forced.keysMade.length).toBe(3)
  })

  it('takes other vendors’ settings out of the file', () => {
    const old = 'keyhsm.hardware=luna\n# mine\nluna.library=/a.so\nluna.pin=sealed:v1:x\n'
    expect(
      toSettingsText(
        old,
        { hardware: 'softhsm', place: undefined },
        { 'softhsm.slot': '1', 'keyhsm.wrap': undefined },
      ),
    ).toBe('keyhsm.hardware=softhsm\n# mine\nsofthsm.slot=1\n')
  })
})

describe('a refused login', () => {
  it('is tried exactly once, by whichever command, until a person acts', async () => {
    const home = await makeHome()
    const attempts = async () => (await readRefusedLogins(home.tokenDirectory)).attempts
    await expect(setUp(setUpOptions(home, { pin: 'wrong' }))).rejects.toMatchObject({
      code: 'ERR_HSM_LOGIN',
      hints: expect.arrayContaining([expect.stringMatching(/--pin-file/)]),
    })
    expect(await attempts()).toBe(1)
    expect((await stat(home.paths.latch)).mode & 0o777).toBe(0o600)
    for (let count = 0; count < 3; count += 1) {
      await expect(startService(home)).rejects.toMatchObject({ code: 'ERR_HSM_LOGIN' })
      await expect(withPartition(home.paths, () => Promise.resolve())).rejects.toThrow(
        /not tried again by itself/,
      )
    }
    expect(await attempts()).toBe(1)
    expect(await releaseLatch(home.paths.latch)).toBe(true)
    await startService(home)
    expect(await attempts()).toBe(0)
  })

  it('ends with a new PIN, and the stored one is only replaced by one that works', async () => {
    const home = await makeHome()
    await expect(setUp(setUpOptions(home, { pin: 'wrong' }))).rejects.toThrow()
    const { pin } = (await readConfiguration(home.paths)).backends[0]
    expect(pin.expose((bytes) => bytes.toString())).toBe(testPin)
    await setUp(setUpOptions(home))
    await expect(stat(home.paths.latch)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('holds also when the latch was cut short by a crash', async () => {
    const home = await makeHome()
    latchLogin(home.paths.latch, new Date())
    await writeFile(home.paths.latch, '')
    await expect(startService(home)).rejects.toMatchObject({ code: 'ERR_HSM_LOGIN' })
  })

  it('is not risked where it could not be remembered', async () => {
    const home = await makeHome()
    await setUp(setUpOptions(home))
    const spare = `${home.paths.latch}.spare`
    await rm(spare)
    await symlink('/dev/full', spare)
    const before = await readRefusedLogins(home.tokenDirectory)
    await expect(setUp(setUpOptions(home, { pin: 'wrong' }))).rejects.toThrow(
      /no login is tried: .*no space left/,
    )
    expect(await readRefusedLogins(home.tokenDirectory)).toEqual(before)
  })

  it('is remembered also when the disk is full by then', async () => {
    const home = await makeHome()
    await setUp(setUpOptions(home))
    await symlink('/dev/full', home.paths.latch)
    latchLogin(home.paths.latch, new Date())
    await expect(startService(home)).rejects.toMatchObject({
      code: 'ERR_HSM_LOGIN',
      message: expect.stringMatching(/the HSM refused the login; it is not tried again/),
    })
  })
})
