import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasCode } from '@keyhsm/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lockFile } from '../../src/lifecycle/file-lock.js'

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lock-'))
  path = join(directory, 'lock')
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('lockFile', () => {
  it('gives the lock to one of many, and to the next when it is closed', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => lockFile(path, 'the lock')))
    const held = all.filter((handle) => handle !== undefined)
    expect(held).toHaveLength(1)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    await held[0]?.close()
    const next = await lockFile(path, 'the lock')
    expect(next).toBeDefined()
    await next?.close()
  })

  it('is not inherited by a child that outlives us', async () => {
    const held = await lockFile(path, 'the lock')
    const child = spawn('sleep', ['30'], { stdio: 'ignore' })
    await new Promise((resolve) => child.once('spawn', resolve))
    await held?.close()
    const next = await lockFile(path, 'the lock')
    child.kill('SIGKILL')
    expect(next).toBeDefined()
    await next?.close()
  })

  it('is not fooled by a file that was removed and made again', async () => {
    const first = await lockFile(path, 'the lock')
    rmSync(path)
    const second = await lockFile(path, 'the lock')
    expect((await second?.stat())?.ino).toBe(statSync(path).ino)
    await first?.close()
    expect(await lockFile(path, 'the lock')).toBeUndefined()
    await second?.close()
  })

  it('follows no symbolic link and names no path', async () => {
    symlinkSync('/etc/passwd', path)
    await expect(lockFile(path, 'the lock')).rejects.toThrow(
      /^the lock: is a symbolic link \(ELOOP\)$/,
    )
    await expect(lockFile(join(directory, 'no', 'x'), 'the lock')).rejects.toSatisfy((e) =>
      hasCode(e, 'ERR_NOT_FOUND'),
    )
  })
})
