import { expect, test } from 'vitest'
import { JobQueue, type Urgency, type WaitingJob } from '../../src/host/job-queue.js'
import type { Access } from '../../src/host/jobs/job-table.js'

function job(urgency: Urgency, queuedAt: number, access: Access = 'use'): WaitingJob {
  const control = { urgency, dropped: false, begun: false }
  const settle = () => undefined
  const name = 'touchToken'
  return { name, args: undefined, access, control, queuedAt, resolve: settle, reject: settle }
}

const ignore = () => undefined

test('gives unwraps before wraps, wraps before new keys, new keys before listings', () => {
  const queue = new JobQueue()
  for (const urgency of ['list', 'create', 'wrap', 'unwrap'] as const) queue.push(job(urgency, 0))
  const order = queue.heads(ignore).map((head) => head.control.urgency)
  expect(order).toEqual(['unwrap', 'wrap', 'create', 'list'])
})

test('lets nothing wait for ever: what is old enough goes first', () => {
  const queue = new JobQueue()
  queue.push(job('unwrap', 300))
  queue.push(job('create', 50))
  expect(queue.heads(ignore)[0]?.control.urgency).toBe('create')
})

test('keeps the order of arrival within a class', () => {
  const queue = new JobQueue()
  const [first, second] = [job('wrap', 1), job('wrap', 2)]
  queue.push(first)
  queue.push(second)
  expect(queue.heads(ignore)).toEqual([first])
  queue.take(first)
  expect(queue.heads(ignore)).toEqual([second])
})

test('what may wait for the lock does not hold up what needs none', () => {
  const queue = new JobQueue()
  queue.push(job('unwrap', 1, 'look'))
  queue.push(job('unwrap', 2, 'use'))
  expect(queue.heads(ignore).map((head) => head.access)).toEqual(['look', 'use'])
})

test('takes out what nobody waits for, and says so', () => {
  const queue = new JobQueue()
  const [dropped, kept] = [job('wrap', 1), job('wrap', 2)]
  queue.push(dropped)
  queue.push(kept)
  dropped.control.dropped = true
  const seen: WaitingJob[] = []
  expect(queue.heads((each) => seen.push(each))).toEqual([kept])
  expect(seen).toEqual([dropped])
  expect(queue.size).toBe(1)
})

test('knows whether a job waits that needs the lock', () => {
  const queue = new JobQueue()
  queue.push(job('unwrap', 0))
  expect(queue.lockedJobsWait).toBe(false)
  const write = job('create', 0, 'write')
  queue.push(write)
  expect(queue.lockedJobsWait).toBe(true)
  queue.take(write)
  expect(queue.lockedJobsWait).toBe(false)
  queue.push(job('list', 0, 'look'))
  expect(queue.clear()).toHaveLength(2)
  expect([queue.lockedJobsWait, queue.size]).toEqual([false, 0])
})
