import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findBinaries } from '../../src/cluster/binaries.js'
import { removeDirectory } from '../support/unprivileged.js'

describe('findBinaries', () => {
  let root: string
  const pattern = /^(\d+)$/
  const search = () => ({ roots: [{ directory: root, pattern }], path: '' })

  function install(directory: string, names = ['initdb', 'postgres'], mode = 0o755): string {
    mkdirSync(directory, { recursive: true })
    for (const name of names) {
      writeFileSync(join(directory, name), '')
      chmodSync(join(directory, name), mode)
    }
    return directory
  }

  beforeAll(() => {
    root = mkdtempSync('/tmp/kt-bin-')
    install(join(root, '9', 'bin'))
    install(join(root, '15', 'bin'))
    install(join(root, '16', 'bin'), ['postgres'])
    install(join(root, '17', 'bin'), ['initdb', 'postgres'], 0o644)
    install(join(root, 'other', 'bin'))
  })
  afterAll(() => removeDirectory(root))

  it('takes the newest complete version, by number', () => {
    expect(findBinaries(search())).toBe(join(root, '15', 'bin'))
  })

  it('takes only the version that made the cluster', () => {
    expect(findBinaries({ ...search(), major: '9' })).toBe(join(root, '9', 'bin'))
    expect(() => findBinaries({ ...search(), major: '14' })).toThrow(/PostgreSQL 14, which made/)
  })

  it('passes over what on PATH is no folder that can be looked into', () => {
    const file = join(root, 'a-file')
    writeFileSync(file, '')
    const find = () => findBinaries({ roots: [], path: `${file}:/nonexistent` })
    expect(find).toThrow(/PostgreSQL is not installed/)
  })

  it('looks on PATH last, and there only for a new cluster', () => {
    const onPath = install(join(root, 'usr', 'bin'))
    const path = `/nonexistent:${onPath}`
    expect(findBinaries({ roots: [], path })).toBe(onPath)
    expect(() => findBinaries({ roots: [], path, major: '15' })).toThrow('not installed')
  })

  it('takes the directory it is told, or says what it lacks', () => {
    expect(findBinaries({ binaries: join(root, '9', 'bin') })).toBe(join(root, '9', 'bin'))
    expect(() => findBinaries({ binaries: root })).toThrow('does not hold')
  })

  it('names the package to install', () => {
    const find = () => findBinaries({ roots: [{ directory: '/nonexistent', pattern }], path: '' })
    expect(find).toThrow(
      expect.objectContaining({
        code: 'ERR_SETTINGS',
        message: 'PostgreSQL is not installed',
        hints: expect.arrayContaining([expect.stringContaining('package postgresql')]),
      }),
    )
  })
})
