import { tmpdir } from 'node:os'
import { expect, it } from 'vitest'
import { diskWarnings, readDiskUse } from '../../src/care/disk-use.js'

const folder = { what: 'audit', path: '/audit', cure: 'audit archive --to DIR' }

it('says from four fifths on how full a disk is, with the cure', async () => {
  const at = (used: number) =>
    diskWarnings([folder], () => Promise.resolve({ used, freeBytes: 5e6 }))
  expect(await at(0.79)).toEqual([])
  expect(await at(0.804)).toEqual([
    {
      key: 'disk audit',
      text: 'the disk of the audit is 80 % full, 4 MiB are left: audit archive --to DIR',
      details: { percent: 80 },
    },
  ])
})

it('reads a real disk, and passes over a folder that is not there', async () => {
  const use = await readDiskUse(tmpdir())
  expect(use?.used).toBeGreaterThan(0)
  expect(use?.used).toBeLessThanOrEqual(1)
  expect(await readDiskUse('/nowhere/at/all')).toBeUndefined()
  expect(await diskWarnings([{ ...folder, path: '/nowhere/at/all' }])).toEqual([])
})
