import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { withinDeadline } from '../../src/http/deadline.js'

/** As much of a response as is looked at. */
function response() {
  return Object.assign(new EventEmitter(), { writableFinished: false }) as unknown as ServerResponse
}

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('withinDeadline', () => {
  it('gives the result, or the error, of the work and leaves no listener', async () => {
    const reply = response()
    expect(await withinDeadline(1_000, reply, async () => 'done')).toBe('done')
    await expect(
      withinDeadline(1_000, reply, async () => Promise.reject(new Error('failed'))),
    ).rejects.toThrow('failed')
    expect(reply.listenerCount('close')).toBe(0)
  })

  it('fails in time when the work does not listen, and drops what it says later', async () => {
    const work = async () => {
      await later(60)
      throw new Error('too late to matter')
    }
    await expect(withinDeadline(20, response(), work)).rejects.toMatchObject({
      code: 'ERR_BUSY',
      retryAfterMs: 1_000,
    })
    await later(60)
  })

  it('tells the work when the caller goes away, not when the reply is finished', async () => {
    for (const writableFinished of [false, true]) {
      const reply = response()
      const aborted = withinDeadline(1_000, reply, async (signal) => {
        const asked = signal()
        Object.assign(reply, { writableFinished })
        reply.emit('close')
        return asked.aborted
      })
      expect(await aborted).toBe(!writableFinished)
    }
  })

  it('tells it also when it asks late, and always by the same signal', async () => {
    const gone = Object.assign(response(), { destroyed: true })
    await withinDeadline(1_000, gone, async (signal) => {
      expect(signal().reason).toMatchObject({ code: 'ERR_UNAVAILABLE' })
      expect(signal()).toBe(signal())
    })
    const reasons: unknown[] = []
    const late = withinDeadline(20, response(), async (signal) => {
      await later(40)
      reasons.push(signal().reason)
    })
    await expect(late).rejects.toMatchObject({ code: 'ERR_BUSY' })
    await expect.poll(() => reasons).toEqual([expect.objectContaining({ code: 'ERR_BUSY' })])
  })

  it('leaves no listener when the signal was asked for, and fails when the work cannot begin', async () => {
    const reply = response()
    await withinDeadline(1_000, reply, async (signal) => signal())
    expect(reply.listenerCount('close')).toBe(0)
    const broken = () => {
      throw new Error('at once')
    }
    await expect(withinDeadline(1_000, reply, broken)).rejects.toThrow('at once')
  })
})
