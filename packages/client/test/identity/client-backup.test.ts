import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { backUpClient, restoreClient } from '../../src/identity/client-backup.js'

const passphrase = 'correct horse battery'
const readers = { passphrase, workFactor: 10 }

async function makeFolder(files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'kt-client-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  await mkdir(join(root, 'client'))
  for (const [name, text] of Object.entries(files))
    await writeFile(join(root, 'client', name), text)
  return join(root, 'client')
}

describe('the backup of a client', () => {
  it('gives every file back, private, into a folder that is empty', async () => {
    const folder = await makeFolder({ 'client.json': '{}', 'identity.key': 'secret' })
    const sealed = await backUpClient(folder, readers)
    expect(sealed.includes('secret')).toBe(false)
    const other = join(folder, '..', 'other')
    expect(await restoreClient(other, sealed, { passphrase })).toEqual([
      'identity.key',
      'client.json',
    ])
    expect(await readFile(join(other, 'identity.key'), 'utf8')).toBe('secret')
    expect((await stat(join(other, 'identity.key'))).mode & 0o777).toBe(0o600)
    await expect(restoreClient(other, sealed, { passphrase })).rejects.toMatchObject({
      code: 'ERR_ALREADY_EXISTS',
    })
  })

  it('is refused without a client, and opens with nothing else', async () => {
    const empty = await makeFolder({})
    await expect(backUpClient(empty, readers)).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
    const folder = await makeFolder({ 'client.json': '{}' })
    const sealed = await backUpClient(folder, readers)
    await expect(restoreClient(empty, sealed, { passphrase: 'wrong' })).rejects.toMatchObject({
      code: 'ERR_NOT_ALLOWED',
    })
  })
})
