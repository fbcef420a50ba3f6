import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readSystemdCredential } from '../src/index.js'

async function makeFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'credentials-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('the text of a credential, without its line end', async () => {
  const folder = await makeFolder()
  await writeFile(join(folder, 'one'), 'some words \n')
  await writeFile(join(folder, 'empty'), '\n')
  const read = (name: string) => readSystemdCredential(name, { CREDENTIALS_DIRECTORY: folder })
  expect(await read('one')).toBe('some words')
  expect(await read('empty')).toBeUndefined()
  expect(await read('absent')).toBeUndefined()
  expect(await readSystemdCredential('one', {})).toBeUndefined()
})

test('one that cannot be read is a fault, not an absence', async () => {
  const folder = await makeFolder()
  await mkdir(join(folder, 'odd'))
  const read = readSystemdCredential('odd', { CREDENTIALS_DIRECTORY: folder })
  await expect(read).rejects.toThrow('systemd credential odd')
})
