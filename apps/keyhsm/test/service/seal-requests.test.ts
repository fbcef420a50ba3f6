import { newUuid } from '@keyhsm/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { toMoveRequest, toSealRequest, toSealsRequest } from '../../src/service/seal-requests.js'

const requestId = newUuid()
const canary = 'c'.repeat(64)
const secret = Buffer.from('a secret that is longer than any key of a trustee')
const content = secret.toString('base64')
const context = { organisation: newUuid(), deposit: newUuid(), handle: 'h', revision: 1 }
const good = { context, content }
/** Two trustees with one key. */
const badTrustees = {
  required: 1,
  keys: Array<string>(2).fill(Buffer.alloc(32).toString('base64')),
}
const malformed = {
  'trustees that are refused': { ...good, trustees: badTrustees },
  'content that is no base64': { context, content: `${content.slice(0, -1)}*` },
  'a context that is refused': { context: { ...context, handle: 'a handle' }, content },
}

/** Every buffer that is decoded from here on. */
function watchDecoding(): readonly Buffer[] {
  const decoded: Buffer[] = []
  const from = Buffer.from.bind(Buffer) as (...args: unknown[]) => Buffer
  const spy = vi.spyOn(Buffer, 'from').mockImplementation(((...args: unknown[]) => {
    const bytes = from(...args)
    if (args[1] === 'base64') decoded.push(bytes)
    return bytes
  }) as typeof Buffer.from)
  onTestFinished(() => spy.mockRestore())
  return decoded
}

/** Keys of trustees are decoded, too: of 32 bytes. */
const contentsOf = (decoded: readonly Buffer[]) => decoded.filter(({ length }) => length > 40)
const wiped = (decoded: readonly Buffer[]) =>
  contentsOf(decoded).every((bytes) => bytes.equals(Buffer.alloc(bytes.length)))

describe('requests that bring content', () => {
  it.each(Object.entries(malformed))('leave none behind after %s', (_, bad) => {
    const several = { requestId, canary, deposits: [good, good, bad] }
    const moved = { requestId, deposits: [good, good, bad], target: { canary } }
    for (const [decode, fewest] of [
      [() => toSealsRequest(several), 2],
      [() => toMoveRequest(moved), 2],
      [() => toSealRequest({ requestId, canary, ...bad }), 0],
    ] as const) {
      const decoded = watchDecoding()
      expect(decode).toThrow(expect.objectContaining({ code: 'ERR_INVALID_INPUT' }))
      expect(contentsOf(decoded).length).toBeGreaterThanOrEqual(fewest)
      expect(wiped(decoded)).toBe(true)
      vi.restoreAllMocks()
    }
  })

  it('have it decoded as it was sent', () => {
    const { deposits } = toSealsRequest({ requestId, canary, deposits: [good, good] })
    expect(deposits.map((one) => one.content)).toEqual([secret, secret])
    expect(toSealRequest({ requestId, canary, ...good }).content).toEqual(secret)
  })
})
