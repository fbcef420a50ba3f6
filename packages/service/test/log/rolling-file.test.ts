import { execFileSync, fork, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RollingFile } from '../../src/log/rolling-file.js'

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rolling-'))
  path = join(directory, 'x.log')
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(directory, { recursive: true })
})

const moduleUrl = fileURLToPath(new URL('../../dist/log/rolling-file.js', import.meta.url))
const read = (name: string) => readFileSync(join(directory, name), 'utf8')
const names = () => readdirSync(directory).sort()
const line = (n: number) => `line ${String(n).padStart(6, '0')}\n`

/** `keep` closed files of at most `maxBytes`. */
function open(maxBytes?: number, keep = 3): RollingFile {
  const files = Array.from({ length: keep }, (_, i) => `${path}.${i + 1}`)
  return new RollingFile({
    path,
    ...(maxBytes === undefined ? {} : { window: { files, maxBytes } }),
    describeLoss: (lines) => `${lines} lost\n`,
  })
}

/** All numbers written, oldest file first. */
function numbers(): number[] {
  const files = names().sort((a, b) => Number(b.slice(6)) - Number(a.slice(6)))
  const text = files.map(read).join('')
  return [...text.matchAll(/^line (\d{6})$/gm)].map(([, digits]) => Number(digits))
}
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n)

/** Lets the file look again at what is on the disk, which it does once a second. */
function aSecondLater(): void {
  const now = performance.now()
  vi.spyOn(performance, 'now').mockReturnValue(now + 1001)
}

describe('RollingFile', () => {
  it('rolls through a fixed window under load; no file grows past the limit, no line is cut, lost or moved', () => {
    const file = open(1200, 1000)
    for (let n = 0; n < 20_000; n += 1) file.write(line(n))
    file.close()
    expect(numbers()).toEqual(upTo(20_000))
    for (const name of names()) expect(read(name).length).toBeLessThanOrEqual(1200)
  })

  it('keeps as many closed files as it was told, the newest first', () => {
    const file = open(120)
    for (let n = 0; n < 60; n += 1) file.write(line(n))
    file.close()
    expect(names()).toEqual(['x.log', 'x.log.1', 'x.log.2', 'x.log.3'])
    expect(numbers()).toEqual(upTo(60).slice(20))
  })

  it('counts what is in the file when it is opened, and lets one long line stand alone', () => {
    open(20, 1).write('0123456789\n')
    const file = open(20, 1)
    file.write(`${'x'.repeat(50)}\n`)
    file.write('y\n')
    file.close()
    expect([read('x.log'), read('x.log.1').length]).toEqual(['y\n', 51])
  })

  it('keeps none when asked, and everything in one file without a window', () => {
    const file = open(10, 0)
    file.write('12345678\n')
    file.write('abc\n')
    file.close()
    expect([names(), read('x.log')]).toEqual([['x.log'], 'abc\n'])
    const endless = open()
    for (let n = 0; n < 100; n += 1) endless.write(line(n))
    endless.close()
    expect(names()).toEqual(['x.log'])
  })

  it('has every line written before a kill -9, and goes on in order after it', async () => {
    const program = fileURLToPath(new URL('../fixtures/log-writer.mjs', import.meta.url))
    let from = 0
    for (let round = 0; round < 3; round += 1) {
      const child = fork(program, [path, String(from)], {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      })
      const told = await new Promise<number>((resolve) => {
        child.on('message', (written) => {
          child.kill('SIGKILL')
          child.once('exit', () => resolve(written as number))
        })
      })
      const found = numbers()
      from = (found.at(-1) ?? -1) + 1
      expect(found).toEqual(upTo(from))
      expect(from).toBeGreaterThan(told)
    }
  })

  it('does not fail on a full disk, says so, and tells how much was lost when there is room again', () => {
    symlinkSync('/dev/full', path)
    const file = open(1000, 1)
    file.write('one\n')
    file.write('two\n')
    expect(file.trouble).toBe('lines are lost: no space left on the device (ENOSPC)')
    rmSync(path)
    aSecondLater()
    file.write('three\n')
    file.close()
    expect(read('x.log')).toBe('2 lost\nthree\n')
    expect(file.trouble).toBeUndefined()
  })

  it('tells at its end how much was lost, where no line came after there was room again', () => {
    symlinkSync('/dev/full', path)
    const file = open(1000, 1)
    file.write('one\n')
    rmSync(path)
    aSecondLater()
    file.close()
    expect(read('x.log')).toBe('1 lost\n')
  })

  it('ends a line that the disk cut before it goes on', () => {
    // The limit of the process on file sizes cuts a write as a full disk does.
    const program = `import { RollingFile } from ${JSON.stringify(moduleUrl)}
      process.on('SIGXFSZ', () => {})
      const file = new RollingFile({ path: ${JSON.stringify(path)}, describeLoss: (n) => n + ' lost\\n' })
      file.write('x'.repeat(1020) + '\\n')
      file.write('abcdefgh\\n')
      process.stdout.write(String(file.trouble))`
    const run = spawnSync(
      'sh',
      ['-c', 'ulimit -f 2; exec "$0" --input-type=module -e "$1"', process.execPath, program],
      { encoding: 'utf8' },
    )
    expect(run.stdout).toMatch(/^lines are lost: /)
    const cut = read('x.log')
    expect(cut.length % 512).toBe(0)
    const file = open()
    file.write('next\n')
    file.close()
    expect(read('x.log').slice(cut.length)).toBe('\nnext\n')
  })

  it('writes what it held at once, when it is released', () => {
    const file = open()
    file.hold()
    file.write(line(0))
    file.write(line(1))
    expect(read('x.log')).toBe('')
    file.release()
    expect(numbers()).toEqual(upTo(2))
    file.release()
    file.write(line(2))
    file.close()
    expect(numbers()).toEqual(upTo(3))
  })

  it('rolls before what it held, and keeps that together', () => {
    const file = open(30)
    for (let n = 0; n < 6; n += 1) {
      if (n % 2 === 0) file.hold()
      file.write(line(n))
      if (n % 2 === 1) file.release()
    }
    file.close()
    expect([names(), numbers()]).toEqual([['x.log', 'x.log.1', 'x.log.2'], upTo(6)])
  })

  it.each([
    ['moved away by logrotate (create)', () => renameSync(path, `${path}.moved`), 'two\n'],
    ['removed by a person', () => rmSync(path), 'two\n'],
    [
      'cut by logrotate (copytruncate)',
      () => (copyFileSync(path, `${path}.copy`), truncateSync(path)),
      'two\n',
    ],
    ['made longer by another program', () => appendFileSync(path, 'other\n'), 'one\nother\ntwo\n'],
  ])('notices within a second a file that was %s', (_how, change, expected) => {
    const file = open(1000)
    file.write('one\n')
    change()
    aSecondLater()
    file.write('two\n')
    file.close()
    expect(read('x.log')).toBe(expected)
  })

  it('does not roll a file that logrotate has just cut', () => {
    const file = open(120)
    for (let n = 0; n < 10; n += 1) file.write(line(n))
    truncateSync(path)
    file.write(line(10))
    file.close()
    expect([names(), numbers()]).toEqual([['x.log'], [10]])
  })

  it('loses nothing to the real logrotate but what copytruncate itself can lose', ({ skip }) => {
    if (spawnSync('logrotate', ['--version']).error) skip('logrotate is not installed')
    const rules = join(directory, 'rules')
    execFileSync('sh', [
      '-c',
      `printf '%s {\nrotate 3\ncopytruncate\n}\n' ${path} > ${rules}; chmod 644 ${rules}; chmod 755 ${directory}`,
    ])
    const file = open(1_000_000)
    file.write('one\n')
    execFileSync('logrotate', ['--force', '--state', join(directory, 'state'), rules])
    file.write('two\n')
    file.close()
    expect([read('x.log.1'), read('x.log')]).toEqual(['one\n', 'two\n'])
  })

  it('has every line of a service that writes while the real logrotate moves its file', async ({
    skip,
  }) => {
    if (spawnSync('logrotate', ['--version']).error) skip('logrotate is not installed')
    const rules = join(directory, 'rules')
    const state = join(directory, 'state')
    writeFileSync(rules, `${path} {\nrotate 9\ncreate\n}\n`, { mode: 0o644 })
    chmodSync(directory, 0o755)
    const program = fileURLToPath(new URL('../fixtures/patient-writer.mjs', import.meta.url))
    const child = fork(program, [path], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const told = (least: number) =>
      new Promise<number>((resolve) => {
        const hear = (n: unknown) => {
          if ((n as number) < least) return
          child.off('message', hear)
          resolve(n as number)
        }
        child.on('message', hear)
      })
    let last = await told(20)
    for (let round = 0; round < 2; round += 1) {
      execFileSync('logrotate', ['--force', '--state', state, rules])
      // It looks once a second, and writes on into the moved file until then.
      last = await told(last + 130)
    }
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
    rmSync(rules)
    rmSync(state)
    expect(names()).toEqual(['x.log', 'x.log.1', 'x.log.2'])
    expect(numbers().slice(0, last)).toEqual(upTo(last))
    expect(read('x.log')).not.toBe('')
  }, 20_000)

  it('goes on in the same file where the directory may not be changed, and says so', () => {
    // Root may change any directory: an unprivileged user does it, in a process of its own.
    const program = `import { RollingFile } from ${JSON.stringify(moduleUrl)}
      const window = { files: [${JSON.stringify(`${path}.1`)}], maxBytes: 10 }
      const file = new RollingFile({ path: ${JSON.stringify(path)}, window, describeLoss: String })
      process.setuid?.(65534)
      for (let n = 0; n < 5; n += 1) file.write('12345678\\n')
      process.stdout.write(String(file.trouble))`
    const isRoot = process.getuid?.() === 0
    if (!isRoot) execFileSync('sh', ['-c', `: > ${path} && chmod 500 ${directory}`])
    const text = isRoot ? program : program.replace(/process\.setuid.*\n/, '')
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
      encoding: 'utf8',
    })
    if (!isRoot) execFileSync('chmod', ['700', directory])
    expect(run.stderr).toBe('')
    expect(run.stdout).toBe('the file grows past its size: permission denied (EACCES)')
    expect([names(), read('x.log').length]).toEqual([['x.log'], 45])
  })

  it('makes the directory of the file, for us alone, and refuses one that cannot be', () => {
    const nested = join(directory, 'a', 'b', 'x.log')
    const options = { describeLoss: String }
    new RollingFile({ path: nested, ...options }).close()
    expect(existsSync(nested)).toBe(true)
    expect(() => new RollingFile({ path: join(nested, 'y.log'), ...options })).toThrow(
      /^the log file cannot be opened: not a directory \(ENOTDIR\)$|exists already/,
    )
  })
})
