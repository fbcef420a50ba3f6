/** Order, gate, lock and repetition, with a pool in memory that ends jobs when it is told to. */
import { DomainError } from '@keyhsm/core'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { CallControl, Urgency } from '../../src/host/job-queue.js'
import type { JobName } from '../../src/host/jobs/job-table.js'
import { KnownStamp } from '../../src/host/known-stamp.js'
import { JobError, Scheduler } from '../../src/host/scheduler.js'
import type { TokenLock } from '../../src/host/token-lock.js'
import type { JobMessage } from '../../src/host/worker-messages.js'
import type { WorkerPool } from '../../src/host/worker-pool.js'
import type { Pkcs11Profile } from '../../src/profile.js'
import { pkcs11Profiles } from '../../src/profiles.js'
import type { FailureClass } from '../../src/return-codes.js'
import { toWireError } from '../../src/wire-error.js'

const { softhsm, luna } = pkcs11Profiles

interface Posted extends JobMessage {
  readonly worker: number
}

class FakePool {
  readonly posted: Posted[] = []
  readonly size: number

  constructor(size: number) {
    this.size = size
  }

  post(worker: number, message: JobMessage): void {
    this.posted.push({ ...message, worker })
  }

  flush(): void {}
}

let pool: FakePool
let scheduler: Scheduler

function setUp(profile: Pkcs11Profile, workers = 2, lock?: TokenLock): void {
  pool = new FakePool(workers)
  const parts = { pool: pool as unknown as WorkerPool, profile, lock, stamp: new KnownStamp() }
  scheduler = new Scheduler(parts)
}

beforeEach(() => setUp(softhsm))

function control(urgency: Urgency = 'unwrap'): CallControl {
  return { urgency, dropped: false, begun: false }
}

function submit(name: JobName, urgency: Urgency = 'unwrap', shared = control(urgency)) {
  const outcome = scheduler.submit(name, undefined as never, shared)
  const settled = outcome.then(
    (value) => value as unknown,
    (error: unknown) => error,
  )
  return { settled, control: shared }
}

function end(name: JobName, means?: FailureClass): void {
  const at = pool.posted.findIndex((job) => job.name === name)
  const [posted] = pool.posted.splice(at, 1)
  if (at < 0 || !posted) throw new Error(`${name} is not running`)
  const error = toWireError(new DomainError('ERR_HSM_UNAVAILABLE', 'x'))
  const failure = means && { failure: { error, means } }
  const stamps = undefined
  scheduler.end(posted.worker, [{ job: posted.job, result: name, stamps, ...failure }])
}

const running = () => pool.posted.map((job) => job.name)

test('spreads short jobs over the workers, a few deep, and keeps the rest', () => {
  for (let number = 0; number < 10; number += 1) submit('deriveSecret')
  const perWorker = [0, 1].map(
    (worker) => pool.posted.filter((job) => job.worker === worker).length,
  )
  expect(perWorker).toEqual([4, 4])
  end('deriveSecret')
  expect(pool.posted).toHaveLength(8)
})

test('an exclusive write waits for what runs, and what comes later waits for it', async () => {
  submit('deriveSecret')
  const write = submit('destroyObject', 'unwrap')
  submit('deriveSecret')
  expect(running()).toEqual(['deriveSecret'])
  end('deriveSecret')
  expect(running()).toEqual(['destroyObject'])
  end('destroyObject')
  expect(await write.settled).toBe('destroyObject')
  expect(running()).toEqual(['deriveSecret'])
})

test('of concurrent writes, half the workers make keys', () => {
  setUp(luna, 4)
  for (let number = 0; number < 4; number += 1) submit('createKey', 'create')
  submit('decryptOaep')
  expect(running().toSorted()).toEqual(['createKey', 'createKey', 'decryptOaep'])
  const makers = pool.posted.filter((job) => job.name === 'createKey').map((job) => job.worker)
  expect(new Set(makers).size).toBe(2)
})

test('nothing is queued behind a long job', () => {
  setUp(luna, 2)
  submit('createKey', 'create')
  for (let number = 0; number < 6; number += 1) submit('decryptOaep')
  const [maker] = pool.posted.filter((job) => job.name === 'createKey')
  const others = pool.posted.filter((job) => job.name === 'decryptOaep')
  expect(others).toHaveLength(4)
  for (const job of others) expect(job.worker).not.toBe(maker?.worker)
})

test('a job whose caller left is never given to a worker', async () => {
  submit('destroyObject', 'create')
  const left = submit('createKey', 'create')
  left.control.dropped = true
  end('destroyObject')
  expect(await left.settled).toMatchObject({ code: 'ERR_BUSY' })
  expect(left.control.begun).toBe(false)
  expect(pool.posted).toEqual([])
})

describe('a busy device', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    return () => vi.useRealTimers()
  })

  test('is asked again, with pauses, for what may be repeated', async () => {
    const { settled } = submit('decryptOaep')
    for (let repeat = 0; repeat < 5; repeat += 1) {
      end('decryptOaep', 'busy')
      await vi.advanceTimersByTimeAsync(1300)
    }
    end('decryptOaep')
    expect(await settled).toBe('decryptOaep')
  })

  test('is given up after five repetitions', async () => {
    const { settled } = submit('decryptOaep')
    for (let attempt = 0; attempt < 6; attempt += 1) {
      end('decryptOaep', 'busy')
      await vi.advanceTimersByTimeAsync(1300)
    }
    expect(await settled).toBeInstanceOf(JobError)
  })

  test('is not asked twice to make a key', async () => {
    const { settled } = submit('createKey', 'create')
    end('createKey', 'busy')
    expect(await settled).toMatchObject({ means: 'busy' })
    expect(pool.posted).toEqual([])
  })
})

test('counts device faults in a row, a lost login as enough', () => {
  for (const means of ['device-lost', 'device-lost'] as const) {
    void submit('decryptOaep').settled
    end('decryptOaep', means)
  }
  expect(scheduler.consecutiveFaults).toBe(2)
  void submit('decryptOaep').settled
  end('decryptOaep', 'bad-ciphertext')
  expect(scheduler.consecutiveFaults).toBe(2)
  void submit('decryptOaep').settled
  end('decryptOaep')
  expect(scheduler.consecutiveFaults).toBe(0)
  void submit('decryptOaep').settled
  end('decryptOaep', 'login-lost')
  expect(scheduler.consecutiveFaults).toBeGreaterThanOrEqual(3)
})

test('names a job that runs for too long, not one that waits behind others', () => {
  vi.useFakeTimers()
  for (let number = 0; number < 8; number += 1) submit('decryptOaep')
  const { useMs } = softhsm.limits
  for (let round = 0; round < 3; round += 1) {
    vi.advanceTimersByTime(useMs - 1)
    expect(scheduler.findHung(performance.now())).toBeUndefined()
    end('decryptOaep')
    const [next] = pool.posted.filter((job) => job.worker === 1)
    if (next) scheduler.end(1, [{ job: next.job, result: 0, stamps: undefined }])
    pool.posted.splice(next ? pool.posted.indexOf(next) : 0, next ? 1 : 0)
  }
  vi.advanceTimersByTime(useMs + 1)
  expect(scheduler.findHung(performance.now())).toBe('decryptOaep')
  vi.useRealTimers()
})

describe('the cross-process lock', () => {
  class FakeLock {
    contended = false
    held = false
    #grant: ((held: boolean) => void) | undefined

    acquire(): Promise<boolean> {
      return new Promise((resolve) => {
        this.#grant = resolve
      })
    }

    async grant(): Promise<void> {
      this.held = true
      this.#grant?.(true)
      await Promise.resolve()
      await Promise.resolve()
    }

    release(): void {
      this.held = false
    }
  }

  let lock: FakeLock

  beforeEach(() => {
    lock = new FakeLock()
    setUp(softhsm, 2, lock as unknown as TokenLock)
  })

  test('is taken for looks and writes, while uses go on without it', async () => {
    submit('findKeyObjects')
    submit('deriveSecret')
    expect(running()).toEqual(['deriveSecret'])
    await lock.grant()
    expect(running()).toEqual(['deriveSecret', 'findKeyObjects'])
    end('findKeyObjects')
    expect(lock.held).toBe(false)
  })

  test('is kept while more such jobs wait', async () => {
    submit('createKey', 'create')
    submit('createKey', 'create')
    await lock.grant()
    end('createKey')
    expect([lock.held, running()]).toEqual([true, ['createKey']])
    end('createKey')
    expect(lock.held).toBe(false)
  })

  test('is left to others after a while, and taken again after a pause', async () => {
    vi.useFakeTimers()
    submit('createKey', 'create')
    submit('createKey', 'create')
    await lock.grant()
    lock.contended = true
    vi.advanceTimersByTime(60)
    end('createKey')
    expect([lock.held, running()]).toEqual([false, []])
    lock.contended = false
    vi.advanceTimersByTime(10)
    await lock.grant()
    expect(running()).toEqual(['createKey'])
    vi.useRealTimers()
  })
})

test('closing drops what waits and lets run what runs', async () => {
  submit('createKey', 'create')
  const waiting = submit('createKey', 'create')
  scheduler.close()
  expect(await waiting.settled).toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' })
  expect([scheduler.idle, running()]).toEqual([false, ['createKey']])
  end('createKey')
  expect(scheduler.idle).toBe(true)
})
