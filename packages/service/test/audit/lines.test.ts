import { describe, expect, it } from 'vitest'
import {
  checkpointMessage,
  formatCheckpoint,
  formatCheckpointBody,
} from '../../src/audit/checkpoint-line.js'
import {
  formatEntry,
  formatFields,
  formatHeader,
  genesis,
  maxLineBytes,
} from '../../src/audit/lines.js'
import { parseLine } from '../../src/audit/parse-line.js'
import { entry } from './audit-testing.js'

const at = '2026-01-02T03:04:05.678Z'
const time = new Date(at)

describe('formatEntry', () => {
  it('makes the line of the format page, with the hash that sha256sum gives', () => {
    const made = formatEntry(
      formatFields({
        event: 'intent',
        operation: 'put',
        requestId: '5b3f4a43-6e50-4b1c-a2cc-b6c1d9f0a111',
        actor: 'client-7',
        subject: { handle: 'key1' },
      }),
      { head: genesis, at, service: 'trustee' },
    )
    // printf '%s' '{"sequence":1,…,"previous":"000…"}' | sha256sum
    const hash = '917f1459916387d6b80f0a5e50bb5c8886e62a97a8a7ece4a216d79c8f5ff12c'
    expect(made.head).toEqual({ sequence: 1, hash })
    expect(made.line).toBe(
      '{"sequence":1,"at":"2026-01-02T03:04:05.678Z","service":"trustee","event":"intent","operation":"put",' +
        '"requestId":"5b3f4a43-6e50-4b1c-a2cc-b6c1d9f0a111","actor":"client-7","subject":{"handle":"key1"},' +
        `"previous":"${'0'.repeat(64)}","hash":"${hash}"}\n`,
    )
  })
})

describe('parseLine', () => {
  it('reads entries, headers and checkpoints back', () => {
    const head = { sequence: 41, hash: 'a'.repeat(64) }
    const made = formatEntry(formatFields(entry(1, { actor: '","hash":"' })), {
      head,
      at,
      service: 's',
    })
    expect(parseLine(made.line.trimEnd())).toMatchObject({
      type: 'entry',
      head: made.head,
      previous: head.hash,
      unchanged: true,
      requestId: 'request-1',
    })
    expect(parseLine(formatHeader('s', 3, head).trimEnd())).toEqual({
      type: 'rotate',
      format: 1,
      service: 's',
      file: 3,
      head,
    })
    const body = formatCheckpointBody({ head, service: 's', at: time, keyId: 'k' })
    const signature = Buffer.alloc(64, 7)
    expect(checkpointMessage(body).toString()).toBe(`keyhsm audit checkpoint v1\n${body}`)
    expect(parseLine(formatCheckpoint(body, signature).trimEnd())).toEqual({
      type: 'checkpoint',
      head,
      service: 's',
      at,
      keyId: 'k',
      body,
      signature,
    })
  })

  it('sees every changed character of an entry', () => {
    const { line } = formatEntry(formatFields(entry(1)), { head: genesis, at, service: 's' })
    const text = line.trimEnd()
    for (let i = 0; i < text.length; i += 1) {
      const changed = text.slice(0, i) + (text[i] === '1' ? '2' : '1') + text.slice(i + 1)
      const read = parseLine(changed)
      expect(read?.type === 'entry' && read.unchanged).toBe(false)
    }
  })

  it('takes nothing else', () => {
    const head = formatHeader('s', 1, genesis).trimEnd()
    const { line } = formatEntry(formatFields(entry(1)), { head: genesis, at, service: 's' })
    const others = [
      '',
      'null',
      '"x"',
      '[]',
      '{}',
      '{"type":"entry"}',
      head.replace('"file":1', '"file":1.5'),
      head.replace('"sequence":0', '"sequence":-1'),
      head.replace('"service":"s"', '"service":1'),
      line.trimEnd().replace(/"hash":"../, '"hash":"'),
      line.trimEnd().replace('"actor":"tester"', '"actor":1'),
      `${line.trimEnd().slice(0, -1)} }`,
      '{"type":"checkpoint","sequence":1,"head":"x","service":"s","at":"","keyId":"","signature":"AA=="}',
      `{"type":"checkpoint","sequence":1,"head":"${'a'.repeat(64)}","service":"s","at":"","keyId":""}`,
    ]
    for (const other of others) expect(parseLine(other), other).toBeUndefined()
  })

  it('fits the greatest entry into a line', () => {
    const biggest = entry(1, { reason: 'x'.repeat(maxLineBytes - 512 - 110) })
    const place = {
      head: { sequence: 2 ** 53 - 2, hash: genesis.hash },
      at,
      service: 's'.repeat(128),
    }
    expect(formatEntry(formatFields(biggest), place).line.length).toBeLessThanOrEqual(maxLineBytes)
  })
})
