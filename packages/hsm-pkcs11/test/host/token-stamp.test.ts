import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TokenStamp } from '../../src/host/token-stamp.js'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keyhsm-stamp-'))
  await mkdir(join(directory, 'token'))
  await writeFile(join(directory, 'token', 'generation'), '1')
})

afterEach(() => rm(directory, { recursive: true }))

const stampOf = (where: string) => new TokenStamp({ directory: where, file: 'generation' })

test('is the same while nothing changes', () => {
  expect(stampOf(directory).read()).toBe(stampOf(directory).read())
})

test('changes with the counter, with a new object and with a new token', async () => {
  const seen = [stampOf(directory).read()]
  await writeFile(join(directory, 'token', 'generation'), '2')
  seen.push(stampOf(directory).read())
  await writeFile(join(directory, 'token', 'new.object'), '')
  seen.push(stampOf(directory).read())
  await mkdir(join(directory, 'second'))
  await writeFile(join(directory, 'second', 'generation'), '2')
  seen.push(stampOf(directory).read())
  expect(new Set(seen).size).toBe(4)
})

test('is unknown where it cannot be read, so that nothing is assumed', () => {
  expect(stampOf(join(directory, 'absent')).read()).toBeUndefined()
  expect(new TokenStamp(undefined).read()).toBeUndefined()
})
