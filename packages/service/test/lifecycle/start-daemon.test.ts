import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DomainError, hasCode } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { daemonState, findProcess, isAlive, readPidFile } from '../../src/lifecycle/pid-file.js'
import { startDaemon } from '../../src/lifecycle/start-daemon.js'
import { reloadDaemon, stopDaemon } from '../../src/lifecycle/stop-daemon.js'
import { useHome } from './lifecycle-testing.js'

/** For machines that have other things to do. */
const patience = { timeout: 15_000, interval: 10 }

const home = useHome()
const stop = (timeoutMs = 5_000) =>
  stopDaemon({ name: 'service', pidFile: home.pidFile, timeoutMs })

async function failure(started: Promise<unknown>): Promise<DomainError> {
  const error: unknown = await started.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof DomainError) return error
  throw new Error('started')
}

describe('startDaemon', () => {
  it('waits until the service is ready, and leaves it running by itself', async () => {
    const { pid, text } = await startDaemon(home.daemon('well'))
    expect(text).toBe(`service ${pid} is ready`)
    expect(daemonState(home.pidFile)).toEqual({ running: true, pid })
    expect(home.read('service.pid').split('\n')[0]).toBe(String(pid))
    for (const name of ['service.pid', 'service.out', 'service.log']) {
      expect(statSync(join(home.path, name)).mode & 0o777).toBe(0o600)
    }
    expect(await stop()).toBe('stopped')
    expect(home.events()).toEqual(['start', 'stop 5000', 'exit 0'])
    expect(daemonState(home.pidFile)).toEqual({ running: false })
    expect(home.read('service.pid')).toBe('')
  })

  it('refuses when the service runs, also when two commands start it at once', async () => {
    const { pid } = await startDaemon(home.daemon('well'))
    const error = await failure(startDaemon(home.daemon('well')))
    expect(error.code).toBe('ERR_ALREADY_EXISTS')
    expect(error.message).toBe(`service is already running (pid ${pid})`)
    await stop()
    const both = await Promise.allSettled([
      startDaemon(home.daemon('slow-start')),
      startDaemon(home.daemon('slow-start')),
    ])
    expect(both.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected'])
    const [refused] = both.flatMap((one) =>
      one.status === 'rejected' ? [one.reason as unknown] : [],
    )
    expect(hasCode(refused, 'ERR_ALREADY_EXISTS')).toBe(true)
    expect(daemonState(home.pidFile).running).toBe(true)
    expect(home.events().filter((event) => event === 'start')).toHaveLength(2)
  })

  it('passes on what the service failed with, but not its cause', async () => {
    const error = await failure(startDaemon(home.daemon('fail')))
    expect(error).toMatchObject({
      code: 'ERR_SETTINGS',
      message: 'application.properties line 3: port is bad',
      faults: [{ field: 'port', rule: 'is bad', line: 3 }],
      hints: ['Mend it.'],
    })
    expect(error.cause).toBeUndefined()
    expect(home.events()).toEqual(['start', 'exit 78'])
    expect(home.read('service.log')).toContain('the reason')
    const bug = await failure(startDaemon(home.daemon('bug')))
    expect([bug.code, bug.message]).toEqual(['ERR_INTERNAL', 'internal error'])
    expect(home.read('service.log')).toContain('secret path')
    expect(daemonState(home.pidFile).running).toBe(false)
  })

  it('shows what a service printed that ended without a word to us', async () => {
    writeFileSync(join(home.path, 'service.out'), 'of an earlier run\n')
    const error = await failure(startDaemon(home.daemon('crash')))
    expect(error.code).toBe('ERR_INTERNAL')
    expect(error.message).toBe('service ended with SIGABRT before it was ready')
    expect(error.hints).toContain('log: native library: bad magic')
    expect(error.hints.join()).not.toContain('earlier')
    const missing = await failure(
      startDaemon(home.daemon('well', { entry: join(home.path, 'no.mjs') })),
    )
    expect(missing.message).toBe('service ended with 1 before it was ready')
  })

  it('does not leave behind a service that does not get ready', async () => {
    const started = failure(startDaemon(home.daemon('hang', { readyTimeoutMs: 3_000 })))
    await expect.poll(() => readPidFile(home.pidFile), patience).toBeDefined()
    const identity = readPidFile(home.pidFile)
    const error = await started
    expect([error.code, error.message]).toEqual([
      'ERR_UNAVAILABLE',
      'service was not ready within 3000 ms',
    ])
    expect(identity && isAlive(identity)).toBe(false)
  })

  it('starts over the pid file of a killed service', async () => {
    const { pid } = await startDaemon(home.daemon('well'))
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => findProcess(pid), patience).toBeUndefined()
    expect(daemonState(home.pidFile)).toEqual({ running: false })
    expect((await startDaemon(home.daemon('well'))).pid).not.toBe(pid)
  })

  it('refuses a log file that cannot be made', async () => {
    const error = await failure(startDaemon(home.daemon('well', { logFile: '/proc/no/x' })))
    expect([error.code, error.message]).toEqual([
      'ERR_NOT_FOUND',
      'the log file: no such file or directory (ENOENT)',
    ])
  })
})

describe('stopDaemon', () => {
  it('kills a service that does not stop in time', async () => {
    const { pid } = await startDaemon(home.daemon('slow-stop'))
    expect(await stop(200)).toBe('killed')
    expect(findProcess(pid)).toBeUndefined()
  })

  it('asks the service itself where it can, and signals it where that fails', async () => {
    const signals: string[] = []
    const stopAsking = async (ask: () => Promise<unknown>) => {
      await startDaemon(home.daemon('well'))
      const o = { name: 'service', pidFile: home.pidFile, timeoutMs: 5_000, ask }
      expect(await stopDaemon(o)).toBe('stopped')
      signals.push(
        /signal=(\w+)/.exec(home.read('service.log').split('stopping').at(-1) ?? '')?.[1] ?? '',
      )
    }
    await stopAsking(async () => process.kill(readPidFile(home.pidFile)?.pid ?? 0, 'SIGINT'))
    await stopAsking(() => Promise.reject(new Error('no answer')))
    expect(signals).toEqual(['SIGINT', 'SIGTERM'])
  })

  it('says when nothing runs, and never signals another process of the same number', async () => {
    expect(await stop()).toBe('not-running')
    const self = findProcess(process.pid)
    const reused = (start: string, boot: string) =>
      writeFileSync(home.pidFile, `${process.pid}\nstart ${start}\nboot ${boot}\n`)
    reused('1', self?.boot ?? '')
    expect([await stop(), reloadDaemon({ name: 's', pidFile: home.pidFile })]).toEqual([
      'not-running',
      false,
    ])
    reused(self?.startTicks ?? '', '00000000-0000-0000-0000-000000000000')
    expect(await stop()).toBe('not-running')
    for (const text of ['', 'x', `${process.pid}\n`, '1\nstart x\nboot y\n']) {
      writeFileSync(home.pidFile, text)
      expect(daemonState(home.pidFile)).toEqual({ running: false })
    }
  })
})
