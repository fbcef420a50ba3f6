import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DomainError } from '@keyhsm/core'
import { expect, onTestFinished, test } from 'vitest'
import { readSettings, settingPath, toLimits, trusteeSchema } from '../src/settings.js'

async function read(text: string) {
  const folder = await mkdtemp(join(tmpdir(), 'kt-settings-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const settings = join(folder, 'keytrustee.properties')
  await writeFile(settings, text)
  return readSettings({ settings })
}

test('an empty file means the documented defaults', async () => {
  const settings = await read('')
  expect(settings).toMatchObject({
    host: '0.0.0.0',
    port: 11371,
    sealing: 'hsm',
    databaseUrl: undefined,
  })
  expect(toLimits(settings)).toMatchObject({
    contentBytes: 2 ** 20,
    undeleteMs: 30 * 86400_000,
    pruneMinAgeMs: 86400_000,
  })
})

test('every fault is told at once, with its line', async () => {
  const text = [
    'keytrustee.server.host=localhost',
    'keytrustee.server.port=65536',
    'keytrustee.content.max-bytes=17M',
    'keytrustee.sealing=software',
    'keytrustee.undelete.window=1s',
    'keytrustee.log.level=loud',
    'keytrustee.databse.url=x',
  ].join('\n')
  const error = await read(text).catch((thrown: unknown) => thrown as DomainError)
  const faults = (error as DomainError).faults
  expect((error as DomainError).code).toBe('ERR_SETTINGS')
  expect(faults.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5, 6, 7])
  expect(faults.at(-1)?.rule).toContain('keytrustee.database.url')
})

test('a missing file names the command that makes it', async () => {
  const error = await readSettings({ settings: '/nonexistent/x' }).catch(
    (thrown: unknown) => thrown as DomainError,
  )
  expect((error as DomainError).hints).toEqual(['run: ktadmin init'])
})

test('paths are relative to the folder of the file', () => {
  expect(settingPath({ root: '/home' }, '.ssl/x')).toBe('/home/.ssl/x')
  expect(settingPath({ root: '/home' }, '/etc/x')).toBe('/etc/x')
})

test('names are unique and each says what it is', () => {
  const specs = Object.values(trusteeSchema)
  expect(new Set(specs.map(({ name }) => name)).size).toBe(specs.length)
  for (const { name, describe } of specs) {
    expect(name).toMatch(/^keytrustee\.[a-z.-]+$/)
    expect(describe.length).toBeGreaterThan(10)
  }
})
