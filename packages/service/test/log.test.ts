import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DomainError, SecretBytes } from '@keyhsm/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parsePattern } from '../src/log/pattern.js'
import { type LogOptions, type OpenLog, openLog } from '../src/log.js'

let directory: string
let file: string
let log: OpenLog | undefined
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'log-'))
  file = join(directory, 'keyhsm.log')
})
afterEach(async () => {
  await log?.close()
  rmSync(directory, { recursive: true })
})

function open(more: Partial<LogOptions> = {}): OpenLog {
  log = openLog({ name: 'keyhsm', file, ...more })
  return log
}
const text = () => readFileSync(file, 'utf8')
const withoutDate = () => text().replaceAll(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} /gm, '')

describe('openLog', () => {
  it('writes lines as the manual shows them, fields after the message', () => {
    open().info({ port: 9090, who: 'a b', list: [1], none: undefined }, 'ready on 127.0.0.1')
    expect(text()).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO keyhsm: ready on 127\.0\.0\.1 port=9090 who="a b" list=\[1\]\n$/,
    )
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('writes what the level lets through, and changes it while running', () => {
    const opened = open({ level: 'WARN' })
    opened.info({}, 'one')
    opened.warn({}, 'two')
    opened.setLevel('debug')
    opened.debug({}, 'three')
    opened.error({}, 'four')
    opened.setLevel(undefined)
    opened.info({}, 'five')
    expect(withoutDate()).toBe('WARN keyhsm: two\nDEBUG keyhsm: three\nERROR keyhsm: four\n')
    expect(() => openLog({ name: 'x', level: 'loud' })).toThrow(/debug, info, warn, error/)
  })

  it('adds the fields of a child to each of its lines', () => {
    open().child({ requestId: 'r1', pin: '1234' }).info({ n: 1 }, 'm')
    expect(withoutDate()).toBe('INFO keyhsm: m requestId=r1 pin=[secret] n=1\n')
  })

  it('never shows a secret: by name at any depth, by type, by bytes', () => {
    const opened = open()
    const secret = SecretBytes.own(Buffer.from('marked-1'))
    opened.info(
      {
        pin: 'marked-2',
        a: { b: [{ Auth_Secret: 'marked-3', passphrase: ['marked-4'] }] },
        held: secret,
        buffer: Buffer.from('marked-5'),
        array: new Uint8Array([109]),
      },
      'm',
    )
    expect(text()).not.toContain('marked')
    expect(text()).toContain('held=[secret] buffer="[8 bytes]" array="[1 bytes]"')
  })

  it('keeps one event on one line, whatever is in it', () => {
    open().info({ 'k\ney': 'a\nINFO b', esc: '\u001b[31m\u2028' }, 'x\r\n2026-01-01 INFO y')
    expect(text().split('\n')).toHaveLength(2)
    expect(text()).not.toMatch(/[\p{Cc}\u2028](?!$)/u)
    expect(text()).toContain('x\\u000d\\u000a2026')
  })

  it('writes an error with its causes; a stack only of what nobody threw on purpose', () => {
    const cause = Object.assign(new Error('connect\nrefused'), {
      code: 'ECONNREFUSED',
      sql: 'marked',
    })
    open().error({ error: new DomainError('ERR_UNAVAILABLE', 'no peer', { cause }) }, 'call failed')
    const lines = withoutDate().split('\n')
    expect(lines.slice(0, 3)).toEqual([
      'ERROR keyhsm: call failed',
      '    ERR_UNAVAILABLE: no peer',
      '    caused by ECONNREFUSED: connect\\u000arefused',
    ])
    expect(lines[3]).toMatch(/^ {4}at /)
    expect(text()).not.toContain('marked')
  })

  it('takes anything thrown, and values that are no JSON', () => {
    const loop: Record<string, unknown> = {}
    loop.self = loop
    open().error(
      { error: new Error('x', { cause: 'text' }), loop, big: 1n, nan: Number.NaN, f: open },
      'm',
    )
    expect(text()).toContain('caused by thrown: text')
    expect(text()).toContain('big=1 nan=NaN f=[function]')
  })

  it('writes parts of a program by their names, each with its own level and place', () => {
    const opened = open()
    const pattern = parsePattern('%logger %msg%n')
    const appender = (name: string) =>
      ({ kind: 'file', name, file: join(directory, name), pattern, threshold: 'debug' }) as const
    opened.configure({
      appenders: [
        appender('all'),
        appender('audit'),
        appender('unused'),
        { ...appender('bad'), threshold: 'error' },
      ],
      loggers: [
        { name: 'keyhsm.audit', level: 'debug', additive: false, appenders: ['audit'] },
        { name: 'keyhsm.hsm', level: 'off', additive: true, appenders: [] },
      ],
      root: { level: 'info', appenders: ['all', 'bad'] },
    })
    for (const name of [
      'keyhsm',
      'keyhsm.audit',
      'keyhsm.audit.copy',
      'keyhsm.hsm',
      'keyhsm.auditor',
    ]) {
      opened.named(name).debug({}, 'd')
      opened.named(name).info({}, 'i')
      opened.named(name).error({}, 'e')
    }
    const read = (name: string) => readFileSync(join(directory, name), 'utf8').trim().split('\n')
    expect(read('all')).toEqual(['keyhsm i', 'keyhsm e', 'keyhsm.auditor i', 'keyhsm.auditor e'])
    expect(read('bad')).toEqual(['keyhsm e', 'keyhsm.auditor e'])
    expect(read('audit')).toEqual(
      ['keyhsm.audit', 'keyhsm.audit.copy'].flatMap((name) => [
        `${name} d`,
        `${name} i`,
        `${name} e`,
      ]),
    )
    expect(existsSync(join(directory, 'unused'))).toBe(false)
  })

  it('says how it is doing', async () => {
    const opened = open()
    expect(opened.state()).toEqual({ healthy: true, detail: file, level: 'info', files: [file] })
    rmSync(file)
    symlinkSync('/dev/full', file)
    opened.setLevel('debug')
    opened.reopen()
    opened.info({}, 'lost')
    expect(opened.state()).toMatchObject({
      healthy: false,
      detail: `${file}: lines are lost: no space left on the device (ENOSPC)`,
      level: 'debug',
    })
    await opened.close()
    opened.info({}, 'nobody hears it')
  })

  it('goes on in a fresh file after the old one was moved away', () => {
    const opened = open()
    opened.info({}, 'one')
    renameSync(file, `${file}.moved`)
    opened.info({}, 'two')
    expect(existsSync(file)).toBe(false)
    opened.reopen()
    opened.info({}, 'three')
    expect(withoutDate()).toBe('INFO keyhsm: three\n')
  })

  it('refuses a file that cannot be opened, without its path', () => {
    expect(() => open({ file: join(directory, 'x\0.log') })).toThrow(
      /^the log file cannot be opened: /,
    )
    expect(() => open({ file: '/proc/none/x.log' })).toThrow(
      /^the log file cannot be opened: no such file or directory \(ENOENT\)$/,
    )
  })

  it('has the last line in the file when the process ends at once, and writes to stderr without one', () => {
    const module = fileURLToPath(new URL('../dist/log.js', import.meta.url))
    const program = (options: string) =>
      `import { openLog } from ${JSON.stringify(module)}
       openLog({ name: 'n', ${options} }).error({}, 'last words'); process.exit(3)`
    const run = (options: string) =>
      spawnSync(process.execPath, ['--input-type=module', '-e', program(options)], {
        encoding: 'utf8',
      })
    expect(run(`file: ${JSON.stringify(file)}`).status).toBe(3)
    expect(withoutDate()).toBe('ERROR n: last words\n')
    expect(run('').stderr).toMatch(/ERROR n: last words\n$/)
  })
})
