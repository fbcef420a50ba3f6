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
        Object.assign(reply, { writableFinished })
        reply.emit('close')
        return signal.aborted
      })
      expect(await aborted).toBe(!writableFinished)
    }
  })
})
