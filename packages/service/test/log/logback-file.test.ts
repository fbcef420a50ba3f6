import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  ensureLogback,
  formatDefaultLogback,
  readLogbackFile,
  reportLogback,
} from '../../src/log/logback-file.js'
import { type OpenLog, openLog } from '../../src/log.js'

let home: string
let log: OpenLog | undefined
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'logback-'))
})
afterEach(async () => {
  await log?.close()
  log = undefined
  rmSync(home, { recursive: true })
})

const file = () => ({ path: join(home, 'conf', 'logback.xml'), logs: join(home, 'log') })
const logFile = () => join(home, 'log', 'keyhsm.log')
const logs = () => readdirSync(join(home, 'log')).sort()
const change = (from: string | RegExp, to: string) =>
  writeFileSync(file().path, readFileSync(file().path, 'utf8').replace(from, to))

async function openConfigured(): Promise<OpenLog> {
  await ensureLogback(file(), { file: logFile() })
  log = openLog({ name: 'keyhsm', ...(await readLogbackFile(file())) })
  return log
}
async function reload(): Promise<void> {
  log?.configure((await readLogbackFile(file())).configuration)
}

describe('ensureLogback', () => {
  it('makes the manual’s example and its copy, for us alone, and leaves what is there', async () => {
    await ensureLogback(file(), { file: logFile(), level: 'warn', maxBytes: 1536 * 1024, keep: 3 })
    const text = readFileSync(file().path, 'utf8')
    expect(text).toContain('<maxFileSize>1536KB</maxFileSize>')
    expect(readFileSync(`${file().path}.bkup`, 'utf8')).toBe(
      formatDefaultLogback({ file: logFile() }),
    )
    expect(statSync(file().path).mode & 0o777).toBe(0o600)
    writeFileSync(file().path, 'mine')
    rmSync(`${file().path}.bkup`)
    await ensureLogback(file(), { file: logFile() })
    expect(readFileSync(file().path, 'utf8')).toBe('mine')
    expect(existsSync(`${file().path}.bkup`)).toBe(true)
  })

  it('writes what it reads', async () => {
    await ensureLogback(file(), {
      file: '/a&b/<x>.log',
      level: 'error',
      maxBytes: 100_001,
      keep: 4,
    })
    const { configuration, warnings } = await readLogbackFile(file())
    expect(warnings).toEqual([])
    expect(configuration).toMatchObject({
      appenders: [{ file: '/a&b/<x>.log', window: { maxBytes: 100_001, maxIndex: 4 } }],
      root: { level: 'error' },
    })
  })
})

describe('a log configured by logback.xml', () => {
  it('takes size, count, level, file and pattern from a changed file on reload', async () => {
    const opened = await openConfigured()
    opened.info({}, 'one')
    expect(readFileSync(logFile(), 'utf8')).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO keyhsm: one\n$/,
    )
    change('10MB', '1KB')
    change('<maxIndex>10<', '<maxIndex>2<')
    change('"info"', '"warn"')
    change(/keyhsm\.log/g, 'other.log')
    change('%date %level %logger: %msg%n', '[%-5level] %msg%n')
    await reload()
    opened.info({}, 'not written')
    for (let n = 0; n < 100; n += 1) opened.warn({ n }, 'x'.repeat(200))
    expect(logs()).toEqual(['keyhsm.log', 'other.log', 'other.log.1', 'other.log.2'])
    expect(readFileSync(join(home, 'log', 'other.log'), 'utf8')).toMatch(/\[WARN \] x{200} n=99\n$/)
    expect(readFileSync(logFile(), 'utf8').split('\n')).toHaveLength(2)
  })

  it('keeps writing as before when the file is broken at a reload, and loses no line', async () => {
    const opened = await openConfigured()
    opened.info({}, 'one')
    change('</encoder>', '')
    await expect(reload()).rejects.toThrow(
      /^logback\.xml cannot be used\n.*logback\.xml@\d+:\d+ - the XML is not well formed/,
    )
    opened.info({}, 'two')
    expect(readFileSync(logFile(), 'utf8')).toMatch(/ one\n.* two\n$/)
  })

  it('keeps writing as before when the new file cannot be opened', async () => {
    const opened = await openConfigured()
    change(/<file>.*<\/file>/, '<file>/proc/none/x.log</file>')
    await expect(reload()).rejects.toThrow(/^the log file cannot be opened: /)
    opened.info({}, 'two')
    expect(readFileSync(logFile(), 'utf8')).toMatch(/ two\n$/)
  })
})

describe('readLogbackFile', () => {
  it('tells every fault with its line and how to go back to the default', async () => {
    await ensureLogback(file(), { file: logFile() })
    change('10MB', 'ten')
    change('FixedWindowRollingPolicy', 'Fixed')
    const error = await readLogbackFile(file()).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'ERR_SETTINGS',
      faults: [
        { field: 'logback.xml', line: 9, rule: expect.stringContaining('[rollingPolicy] of type') },
        { field: 'logback.xml', line: 15, rule: expect.stringContaining('[ten] is no file size') },
      ],
      hints: [expect.stringContaining(`cp ${file().path}.bkup ${file().path}`)],
    })
  })
})

describe('reportLogback', () => {
  it('prints nothing when all is well, else one line a fault as the manual shows', async () => {
    await ensureLogback(file(), { file: logFile() })
    expect(await reportLogback(file())).toEqual([])
    change('10MB', 'ten')
    expect(await reportLogback(file(), new Date(2026, 1, 3, 4, 5, 6, 7))).toEqual([
      `04:05:06,007 |-ERROR in ${file().path}@15:26 - [maxFileSize] [ten] is no file size; it is a number of bytes from 1024 on, or of KB, MB or GB`,
    ])
  })

  it('says that there is no file, or that it may not be read', async () => {
    expect((await reportLogback(file()))[0]).toMatch(
      /logback\.xml@1:1 - the file cannot be read: no such file or directory \(ENOENT\)$/,
    )
  })
})
