import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RollingFile } from '../../src/log/rolling-file.js'

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rolling-'))
  path = join(directory, 'x.log')
})
afterEach(() => rmSync(directory, { recursive: true }))

const read = (name: string) => readFileSync(join(directory, name), 'utf8')
const names = () => readdirSync(directory).sort()

describe('RollingFile', () => {
  it('rolls through a fixed window; no file grows past the limit and no line is cut or lost', () => {
    const file = new RollingFile({ path, maxBytes: 100, keep: 3 })
    for (let n = 0; n < 60; n += 1) file.write(`line ${String(n).padStart(2, '0')}\n`)
    file.close()
    expect(names()).toEqual(['x.log', 'x.log.1', 'x.log.2', 'x.log.3'])
    const kept = names().slice(1).reverse().map(read).join('') + read('x.log')
    expect(kept.trimEnd().split('\n').at(0)).toBe('line 12')
    expect(kept.trimEnd().split('\n')).toHaveLength(48)
    for (const name of names()) expect(read(name).length).toBeLessThanOrEqual(100)
  })

  it('counts what is in the file when it is opened, and lets one long line stand alone', () => {
    new RollingFile({ path, maxBytes: 20, keep: 1 }).write('0123456789\n')
    const file = new RollingFile({ path, maxBytes: 20, keep: 1 })
    file.write(`${'x'.repeat(50)}\n`)
    file.write('y\n')
    file.close()
    expect([read('x.log'), read('x.log.1').length]).toEqual(['y\n', 51])
  })

  it('keeps none when asked', () => {
    const file = new RollingFile({ path, maxBytes: 10, keep: 0 })
    file.write('12345678\n')
    file.write('abc\n')
    file.close()
    expect([names(), read('x.log')]).toEqual([['x.log'], 'abc\n'])
  })

  it('does not fail on a full disk, and tells how much was lost when there is room again', () => {
    symlinkSync('/dev/full', path)
    const file = new RollingFile({ path, maxBytes: 1_000, keep: 1 })
    file.write('one\n')
    file.write('two\n')
    rmSync(path)
    file.reopen()
    file.write('three\n')
    file.close()
    expect(read('x.log')).toBe('2 lines lost: the log could not be written\nthree\n')
  })

  it('goes on in the same file where the directory may not be changed', () => {
    // Root may change any directory: an unprivileged user does it, in a process of its own.
    const module = fileURLToPath(new URL('../../dist/log/rolling-file.js', import.meta.url))
    const program = `import { RollingFile } from ${JSON.stringify(module)}
      const file = new RollingFile({ path: ${JSON.stringify(path)}, maxBytes: 10, keep: 1 })
      process.setuid?.(65534)
      for (let n = 0; n < 5; n += 1) file.write('12345678\\n')`
    const isRoot = process.getuid?.() === 0
    if (!isRoot) execFileSync('sh', ['-c', `: > ${path} && chmod 500 ${directory}`])
    const text = isRoot ? program : program.replace(/process\.setuid.*\n/, '')
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
      encoding: 'utf8',
    })
    if (!isRoot) execFileSync('chmod', ['700', directory])
    expect(run.stderr).toBe('')
    expect([names(), read('x.log').length]).toEqual([['x.log'], 45])
  })
})
