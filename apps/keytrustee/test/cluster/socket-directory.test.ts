import { chmodSync, mkdirSync, mkdtempSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clusterLayout } from '../../src/cluster/layout.js'
import { fits, prepareSocketDirectory, socketPath } from '../../src/cluster/socket-directory.js'
import { removeDirectory } from '../support/unprivileged.js'

describe('prepareSocketDirectory', () => {
  let base: string
  const marker = { format: 1, madeBy: 'keytrustee' } as const
  const longLayout = () => clusterLayout(join(base, 'x'.repeat(120)))

  beforeAll(() => {
    base = mkdtempSync('/tmp/kt-sock-')
  })
  afterAll(() => removeDirectory(base))

  it('counts bytes, not characters, up to 107', () => {
    const tail = Buffer.byteLength(socketPath(''))
    const exact = `/${'x'.repeat(107 - tail - 2)}`
    expect(Buffer.byteLength(socketPath(exact))).toBe(107)
    expect(fits(exact)).toBe(true)
    expect(fits(`${exact}x`)).toBe(false)
    expect(fits(`/${'ü'.repeat(60)}`)).toBe(false)
  })

  it('uses the cluster’s own when it fits, closed to others', async () => {
    const layout = clusterLayout(base)
    mkdirSync(layout.run)
    chmodSync(layout.run, 0o777)
    expect(await prepareSocketDirectory(layout, marker)).toBe(layout.run)
    expect(statSync(layout.run).mode & 0o777).toBe(0o700)
  })

  it('makes a fresh private one for a long home, in the first base that works', async () => {
    const made = await prepareSocketDirectory(longLayout(), marker, [
      undefined,
      '/nonexistent',
      base,
    ])
    expect(made.startsWith(join(base, 'ktdb-'))).toBe(true)
    expect(statSync(made).mode & 0o777).toBe(0o700)
  })

  it('uses the remembered one again, unless it is gone, open to others or a link', async () => {
    const remembered = join(base, 'remembered')
    const prepare = () =>
      prepareSocketDirectory(longLayout(), { ...marker, socketDirectory: remembered }, [base])
    expect(await prepare()).not.toBe(remembered)
    mkdirSync(remembered, { mode: 0o700 })
    expect(await prepare()).toBe(remembered)
    chmodSync(remembered, 0o750)
    expect(await prepare()).not.toBe(remembered)
    removeDirectory(remembered)
    symlinkSync('/tmp', remembered)
    expect(await prepare()).not.toBe(remembered)
  })

  it('says so when nothing is short enough', async () => {
    const prepare = prepareSocketDirectory(longLayout(), marker, [join('/tmp', 'x'.repeat(120))])
    await expect(prepare).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
  })
})
