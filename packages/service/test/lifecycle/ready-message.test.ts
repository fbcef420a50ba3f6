import { DomainError, invalidInput } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { fromErrorText, parseReadyMessage, toErrorText } from '../../src/lifecycle/ready-message.js'

describe('parseReadyMessage', () => {
  it('reads what was sent, over the wire and without the cause', () => {
    const error = new DomainError('ERR_HSM_LOGIN', 'the PIN is wrong', {
      cause: new Error('secret'),
      faults: [{ field: 'pin', rule: 'is wrong' }],
      hints: ['Set it again.'],
    })
    const wire = JSON.stringify({ error: toErrorText(error) })
    expect(wire).not.toContain('secret')
    const message = parseReadyMessage(JSON.parse(wire))
    const back = message && 'error' in message ? fromErrorText(message.error) : undefined
    expect(back).toMatchObject({
      code: 'ERR_HSM_LOGIN',
      message: 'the PIN is wrong',
      faults: error.faults,
      hints: error.hints,
    })
    expect(back?.cause).toBeUndefined()
    expect(parseReadyMessage({ ready: true, text: 'x' })).toEqual({ ready: true, text: 'x' })
  })

  it('ignores everything else', () => {
    const good = toErrorText(invalidInput('a', 'b'))
    const others = [
      undefined,
      null,
      'ready',
      {},
      { ready: true },
      { ready: 1, text: 'x' },
      { error: null },
      { error: 'x' },
      { error: { ...good, code: 'ERR_OTHER' } },
      { error: { ...good, code: 'toString' } },
      { error: { ...good, faults: 'x' } },
      { error: { ...good, detail: 1 } },
    ]
    for (const other of others) expect(parseReadyMessage(other)).toBeUndefined()
  })
})
