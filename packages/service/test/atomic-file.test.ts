import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasCode } from '@keyhsm/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeFileAtomically } from '../src/atomic-file.js'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'atomic-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('writeFileAtomically', () => {
  it('writes with the asked mode whatever the umask, and leaves nothing beside it', async () => {
    const path = join(directory, 'f')
    await writeFileAtomically(path, 'one')
    expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual(['one', 0o600])
    await writeFileAtomically(path, Buffer.from('two'), 0o666)
    expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual(['two', 0o666])
    expect(readdirSync(directory)).toEqual(['f'])
  })

  it('replaces a symbolic link and leaves what it pointed to', async () => {
    const [target, link] = [join(directory, 'target'), join(directory, 'link')]
    writeFileSync(target, 'old')
    symlinkSync(target, link)
    await writeFileAtomically(link, 'new')
    expect([readFileSync(target, 'utf8'), readFileSync(link, 'utf8')]).toEqual(['old', 'new'])
  })

  it('cleans up when it fails, and names no path to the caller', async () => {
    const path = join(directory, 'd')
    mkdirSync(join(path, 'not-empty'), { recursive: true })
    await expect(writeFileAtomically(path, 'x')).rejects.toThrow(/^cannot write d: is a directory/)
    expect(readdirSync(directory)).toEqual(['d'])
    const failed = writeFileAtomically(join(directory, 'no', 'f'), 'x')
    await expect(failed).rejects.toSatisfy((e) => hasCode(e, 'ERR_NOT_FOUND'))
    await expect(failed).rejects.not.toThrow(directory)
  })
})
