import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Joined, readJoinFile, writeJoinFile } from '../../src/sealing/join-file.js'
import { canary } from '../support/key-hsm-double.js'

const joined: Joined = {
  url: 'https://127.0.0.1:9090',
  realm: 'default',
  canary,
  domain: 'd'.repeat(32),
  joinedAt: new Date('2026-11-22T10:00:00.000Z'),
  scope: 'deposit',
  serverCertificate: 'server',
  clientCertificate: 'client',
  clientKey: 'key',
  passphrase: undefined,
}

async function makePaths() {
  const folder = await mkdtemp(join(tmpdir(), 'kt-join-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return { join: join(folder, 'join.json'), keyHsmCertificate: join(folder, 'ssl-cert-keyhsm.pem') }
}

test('what was written is read back; the file is private, the certificate where it used to be', async () => {
  const paths = await makePaths()
  expect(await readJoinFile(paths)).toBeUndefined()
  for (const one of [joined, { ...joined, passphrase: 'pass' }]) {
    await writeJoinFile(paths, one)
    expect(await readJoinFile(paths)).toEqual(one)
  }
  expect((await stat(paths.join)).mode & 0o777).toBe(0o600)
  expect(await readFile(paths.keyHsmCertificate, 'utf8')).toBe('server')
})

test('a file that others can read, or that is damaged, is not believed', async () => {
  const paths = await makePaths()
  await writeJoinFile(paths, joined)
  const text = await readFile(paths.join, 'utf8')
  await chmod(paths.join, 0o644)
  await expect(readJoinFile(paths)).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
  await chmod(paths.join, 0o600)
  const fields = JSON.parse(text) as Record<string, unknown>
  const damaged = [
    text.slice(0, -5),
    '{}',
    ...Object.keys(fields)
      .filter((name) => name !== 'passphrase')
      .map((name) => JSON.stringify({ ...fields, [name]: undefined })),
    JSON.stringify({ ...fields, scope: 'x' }),
    JSON.stringify({ ...fields, canary: 'x' }),
    JSON.stringify({ ...fields, format: 'keytrustee-join-2' }),
  ]
  for (const content of damaged) {
    await writeFile(paths.join, content)
    await expect(readJoinFile(paths)).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
  }
})
