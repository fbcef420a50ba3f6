import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError, newUuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { ok, type Patient } from '../../src/doctor/check.js'
import { checks, examine } from '../../src/doctor/examine.js'
import { refuseOldProduct } from '../../src/old-product.js'
import type { Paths } from '../../src/paths.js'
import { readSettings } from '../../src/settings.js'
import { version } from '../../src/version.js'
import { makeHome } from '../support/running-server.js'

async function patientIn(paths: Paths, more: Partial<Patient> = {}): Promise<Patient> {
  const settings = await readSettings(paths).catch(() => undefined)
  return { paths, now: new Date(), settings, status: undefined, ...more }
}

/** Faults and warnings as `check: detail → remedy`. */
async function faultsIn(paths: Paths, more: Partial<Patient> = {}): Promise<string> {
  const found = await examine(await patientIn(paths, more))
  const bad = found.filter(({ state }) => state === 'fault' || state === 'warning')
  return bad.map(({ check, detail, remedy }) => `${check}: ${detail} → ${remedy ?? ''}`).join('\n')
}

describe('ktadmin doctor', () => {
  test('finds in a new home what is still to do, and nothing else faulty', async () => {
    const found = await faultsIn(await makeHome())
    expect(found).toContain('server: it does not run → keytrustee-server start')
    expect(found).toContain('database: there is no database → ktadmin db bootstrap')
    for (const name of ['settings', 'private files', 'owner of files', 'certificates'])
      expect(found).not.toContain(`${name}:`)
  })

  test('a database that was in use and is gone is restored, never made anew', async () => {
    const paths = await makeHome()
    await writeFile(paths.join, '{}')
    expect(await faultsIn(paths)).toContain(
      'database: the database is lost → ktadmin restore: docs/operations/outage.md, 5',
    )
  })

  test.each<[string, string, (paths: Paths) => Promise<unknown>]>([
    ['private files', 'chmod 600', (paths) => chmod(paths.grantKey, 0o644)],
    ['private files', 'audit.key is missing', (paths) => rm(paths.auditKey)],
    ['settings', 'nonsense', (paths) => writeFile(paths.settings, 'nonsense=1\n')],
    ['certificates', 'does not belong', (paths) => rename(paths.authorityKey, paths.serverKey)],
    ['log configuration', 'logback.xml', (paths) => writeFile(paths.logback, '<x>')],
    ['other product', 'pubring.gpg', (paths) => writeFile(join(paths.root, 'pubring.gpg'), 'x')],
  ])('says what is wrong and what to do: %s, %s', async (check, words, damage) => {
    const paths = await makeHome()
    await mkdir(join(paths.root, 'conf'), { recursive: true })
    await damage(paths)
    const line = (await faultsIn(paths)).split('\n').find((one) => one.startsWith(`${check}:`))
    expect(line).toContain(words)
    expect(line).toMatch(/ → \S/)
  })

  test('other servers: silent, without their Key HSM, of another version', async () => {
    const node = { node: newUuid(), url: 'https://ts2', serverFingerprint: '', version, ageMs: 500 }
    const keyHsm = { healthy: false, detail: 'the HSM cannot be asked now' }
    const nodes = [
      { ...node, name: 'own', self: true, ageMs: 90_000 },
      { ...node, name: 'well', self: false, keyHsm: { healthy: true, detail: 'ready' } },
      { ...node, name: 'gone', self: false, ageMs: 90_000, keyHsm },
      { ...node, name: 'shut', self: false, keyHsm },
      { ...node, name: 'old', self: false, version: '0.0.1' },
    ]
    const status = { installation: { nodes } } as unknown as NonNullable<Patient['status']>
    const found = (await faultsIn(await makeHome(), { status })).split('\n')
    expect(found.filter((line) => line.startsWith('other servers:'))).toEqual([
      'other servers: gone (https://ts2) wrote last 90 s ago → start it, or ktadmin nodes remove: docs/operations/outage.md, 8',
      'other servers: the Key HSM of shut (https://ts2): the HSM cannot be asked now → keyhsm status on its host',
      `other servers: old (https://ts2) is version 0.0.1, this one ${version} → upgrade the older`,
    ])
  })

  test('certificates that end', async () => {
    const paths = await makeHome()
    const now = new Date(Date.now() + 800 * 86_400_000)
    expect(await faultsIn(paths, { now })).toMatch(
      /certificates: the server’s own certificate expires in 2\d days, on .* → ktadmin cert renew/,
    )
  })

  test('one check that fails does not stop the others, and its hints are what to do', async () => {
    const failing = {
      name: 'failing',
      run: () => Promise.reject(new DomainError('ERR_UNAVAILABLE', 'gone', { hints: ['look'] })),
    }
    const fine = { name: 'fine', run: () => Promise.resolve([ok('well')]) }
    const empty = { name: 'empty', run: () => Promise.resolve([]) }
    const found = await examine(await patientIn(await makeHome()), [failing, fine, empty])
    expect(found).toEqual([
      { check: 'failing', state: 'fault', detail: 'gone', remedy: 'look' },
      { check: 'fine', state: 'ok', detail: 'well' },
      { check: 'empty', state: 'skipped', detail: 'the settings cannot be read' },
    ])
    expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length)
  })
})

describe('another product’s files', () => {
  test.each(['secring.gpg', 'pubring.gpg'])('%s stops init and is named', async (name) => {
    const paths = await makeHome()
    await refuseOldProduct(paths)
    await writeFile(join(paths.root, name), 'x')
    await expect(refuseOldProduct(paths)).rejects.toMatchObject({
      code: 'ERR_ALREADY_EXISTS',
      hints: expect.arrayContaining([expect.stringContaining(name)]),
    })
  })

  test('a database that is not ours stops init; one of ours does not', async () => {
    const paths = await makeHome()
    await mkdir(paths.database)
    await writeFile(join(paths.database, 'PG_VERSION'), '9.3\n')
    await expect(refuseOldProduct(paths)).rejects.toThrow(/another product/)
    await writeFile(join(paths.database, 'cluster.json'), '{}')
    await refuseOldProduct(paths)
  })
})
