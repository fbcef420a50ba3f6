import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DomainError } from '@keyhsm/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  requestReload,
  serve,
  type ServiceProcess,
  startInBackground,
} from '../../src/lifecycle/service-process.js'
import { simpleConfiguration } from '../../src/log/configuration.js'

const child = fileURLToPath(new URL('../fixtures/process-child.mjs', import.meta.url))

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'process-'))
})
afterEach(() => rmSync(home, { recursive: true }))

/** `serve` in a process of its own: it takes signals and the umask. */
function run(behaviour: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [child, home, behaviour], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  return { status, stdout, stderr, log: readFileSync(join(home, 'log', 'x.log'), 'utf8') }
}

describe('serve', () => {
  it('makes its folders for this user alone, says that it is ready and ends with 0', () => {
    const { status, stdout, log } = run('stops')
    expect([status, stdout]).toEqual([0, 'is ready here\n'])
    expect(log).toMatch(/a warning of the file[^]*x is ready here[^]*stopped/)
    for (const folder of ['run', 'log'])
      expect(statSync(join(home, folder)).mode & 0o777).toBe(0o700)
  })

  it('fails with what it could not be opened with, and has it in its log', () => {
    const { status, stderr, log } = run('fails')
    expect([status, stderr]).toEqual([78, 'line 3'])
    expect(log).toContain('x did not start')
  })

  it('takes logging over after the rest: a reload that is refused leaves it', () => {
    const { status, log } = run('reloads')
    expect(status).toBe(0)
    expect(log).toMatch(/reload failed, the old state stays in use[^]*reloaded/)
    expect(log).not.toContain('before reload')
    expect(log).toContain('taken over')
  })
})

describe('a reload that is asked for', () => {
  it('is told what it was refused for, then what came of it; those who ask during one share the next', () => {
    const { status, stdout } = run('asked')
    expect(status).toBe(0)
    expect(stdout.split('\n').slice(1, -1)).toEqual([
      'ERR_BUSY the service is not ready yet',
      'ERR_SETTINGS not this time',
      '{"applied":["one","another configuration of the log"],"needsRestart":["port"]}',
      'the same answer for both, reloaded 3 times',
    ])
  })
})

describe('what is refused', () => {
  const neverAsked = () => Promise.reject(new Error('never comes here'))
  const make = (readLogging: ServiceProcess['readLogging']): ServiceProcess => ({
    name: 'x',
    pidFile: join(home, 'run', 'x.pid'),
    folders: [join(home, 'run')],
    readyTimeoutMs: 1000,
    readLogging,
    open: () => Promise.reject(new Error('never comes here')),
  })

  it('is refused before anything is made', async () => {
    const service = make(() => Promise.reject(new DomainError('ERR_SETTINGS', 'line 3')))
    const away = { entry: '/nonexistent', args: [], logFile: join(home, 'out') }
    await expect(startInBackground(service, away)).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
    await expect(serve(service, () => undefined)).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
    await expect(requestReload(service, neverAsked)).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
    })
    expect([existsSync(join(home, 'run')), existsSync(join(home, 'out'))]).toEqual([false, false])
  })

  it('a reload of what does not run, with the command that starts it', async () => {
    const configuration = simpleConfiguration({ level: 'info' })
    const service = make(() => Promise.resolve({ configuration, warnings: [] }))
    await expect(requestReload(service, neverAsked)).rejects.toMatchObject({
      code: 'ERR_UNAVAILABLE',
      message: 'x is not running',
      hints: ['start it with: x start'],
    })
  })
})
