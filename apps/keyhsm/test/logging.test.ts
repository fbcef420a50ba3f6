import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readLogging, reportLogging } from '../src/logging.js'
import { makeHome, makeRoot, startService, type TestHome } from './home.js'

const change = ({ paths }: TestHome, from: string | RegExp, to: string): void => {
  const text = readFileSync(paths.logback, 'utf8')
  expect(text.replace(from, to)).not.toBe(text)
  writeFileSync(paths.logback, text.replace(from, to))
}
const logOf = ({ paths }: TestHome) => readFileSync(paths.logFile, 'utf8')

describe('readLogging', () => {
  it('finds the manual’s file and its default copy after setup, and makes them again where they are gone', async () => {
    const home = await makeHome()
    for (const name of ['logback.xml', 'logback.xml.bkup']) {
      const text = readFileSync(join(dirname(home.paths.logback), name), 'utf8')
      expect(text).toContain(`<file>${home.paths.logFile}</file>`)
      expect(text).toContain('<pattern>%date %level %logger: %msg%n</pattern>')
      expect(text).toContain('<maxIndex>10</maxIndex>')
      expect(text).toContain('<maxFileSize>10MB</maxFileSize>')
    }
    rmSync(dirname(home.paths.logback), { recursive: true })
    const { configuration, warnings } = await readLogging(home.paths, {})
    expect(warnings).toEqual([])
    expect(configuration.appenders).toMatchObject([{ file: home.paths.logFile }])
    expect(existsSync(`${home.paths.logback}.bkup`)).toBe(true)
  })

  it('lets settings of old releases win', async () => {
    const home = await makeHome()
    const settings = { logLevel: 'warn', logBytes: 100_000_000, logFiles: 3 } as const
    expect((await readLogging(home.paths, settings)).configuration).toMatchObject({
      appenders: [{ window: { maxBytes: 100_000_000, minIndex: 1, maxIndex: 3 } }],
      root: { level: 'warn' },
    })
  })

  it('keeps a service from starting with a faulty file, and says where the default is', async () => {
    const home = await makeHome()
    change(home, '</encoder>', '')
    await expect(startService(home)).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      message: expect.stringMatching(/logback\.xml@\d+:\d+ - the XML is not well formed/),
      hints: [expect.stringContaining('logback.xml.bkup')],
    })
  })
})

describe('reportLogging', () => {
  it('says what is wrong with the file, and nothing before the first setup', async () => {
    const home = await makeHome()
    expect(await reportLogging(home.paths)).toEqual([])
    change(home, 'FixedWindowRollingPolicy', 'FixedPolicy')
    expect((await reportLogging(home.paths)).join('\n')).toMatch(
      /^\d\d:\d\d:\d\d,\d{3} \|-ERROR in .*conf\/logback\.xml@9:\d+ - cannot make component \[rollingPolicy\]/,
    )
    expect(await reportLogging((await makeRoot()).paths)).toEqual([])
  })
})

describe('the log of the service', () => {
  it('has a copy of each audit entry, in the form of the log', async () => {
    const home = await makeHome()
    const service = await startService(home)
    expect(logOf(home)).toMatch(
      /^\d{4}-\d\d-\d\d [\d:]{8},\d{3} INFO keyhsm\.audit: start note sequence=\d+ requestId=[\w-]{36} actor=service version=\S+ backend=default profile=soft-token domain=\w+ backends=1 pid=\d+$/m,
    )
    await service.stop(1000)
    expect(logOf(home)).toMatch(/ INFO keyhsm\.audit: stop note sequence=/)
    const audited = readFileSync(join(home.paths.audit, 'audit.log'), 'utf8').match(/"event":/g)
    expect(logOf(home).match(/ keyhsm\.audit: /g)).toHaveLength(audited?.length ?? 0)
  })

  it('takes over a changed logback.xml on reload', async () => {
    const home = await makeHome()
    const service = await startService(home)
    change(home, '%date %level %logger: %msg%n', '[%level] %msg%n')
    await service.reload()
    expect(logOf(home)).toMatch(
      /\[INFO\] settings and trust were taken over applied=.*configuration of the log/,
    )
    change(home, 'root level="info"', 'root level="off"')
    await service.reload()
    const before = logOf(home)
    await service.reload()
    expect(logOf(home)).toBe(before)
  })

  it.each([
    ['malformed', '</encoder>', ''],
    ['with a file that cannot be opened', /<file>.*<\/file>/, '<file>/proc/none/x.log</file>'],
  ])('stays as it was when logback.xml is %s at a reload', async (_how, from, to) => {
    const home = await makeHome()
    const service = await startService(home)
    change(home, from, to)
    await expect(service.reload()).rejects.toThrow(/logback\.xml cannot be used|cannot be opened/)
    await service.stop(1000)
    expect(logOf(home)).toMatch(/keyhsm\.audit: stop note/)
  })
})
