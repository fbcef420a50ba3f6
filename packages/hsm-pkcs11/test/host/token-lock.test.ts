import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { TokenLock } from '../../src/host/token-lock.js'

const never = new AbortController().signal
const made: TokenLock[] = []

afterEach(() => {
  for (const lock of made.splice(0)) lock.release()
})

function locks(count: number): TokenLock[] {
  const name = `test-${randomBytes(8).toString('hex')}`
  const some = Array.from({ length: count }, () => new TokenLock(name))
  made.push(...some)
  return some
}

test('one holds it, the next gets it when it is released', async () => {
  const [first, second] = locks(2) as [TokenLock, TokenLock]
  expect(await first.acquire(never)).toBe(true)
  let got = false
  const waiting = second.acquire(never).then(() => {
    got = true
  })
  await expect.poll(() => first.contended).toBe(true)
  expect(got).toBe(false)
  first.release()
  await waiting
  expect(second.contended).toBe(false)
})

test('never two hold it, however many want it', async () => {
  let inside = 0
  let most = 0
  const work = async (lock: TokenLock) => {
    for (let round = 0; round < 5; round += 1) {
      await lock.acquire(never)
      inside += 1
      most = Math.max(most, inside)
      await new Promise((resolve) => setTimeout(resolve, 1))
      inside -= 1
      lock.release()
    }
  }
  await Promise.all(locks(6).map(work))
  expect([most, inside]).toEqual([1, 0])
})

test('waiting ends with the signal', async () => {
  const [first, second] = locks(2) as [TokenLock, TokenLock]
  await first.acquire(never)
  expect(await second.acquire(AbortSignal.timeout(30))).toBe(false)
})

test('the kernel releases it when its holder is killed', async () => {
  const name = `test-${randomBytes(8).toString('hex')}`
  const script = fileURLToPath(new URL('../support/hold-lock.mjs', import.meta.url))
  const holder = fork(script, [name])
  await once(holder, 'message')
  const lock = new TokenLock(name)
  made.push(lock)
  expect(await lock.acquire(AbortSignal.timeout(50))).toBe(false)
  const waiting = lock.acquire(never)
  holder.kill('SIGKILL')
  expect(await waiting).toBe(true)
})
