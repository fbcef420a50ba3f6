import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { signatureHeader, signRequest } from '@keyhsm/protocol'
import { describe, expect, it } from 'vitest'
import { ReplayWindow, verifySignedRequest } from '../src/signed-request.js'

const root = generateKeyPairSync('ed25519')
const other = generateKeyPairSync('ed25519')
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const startedAt = new Date('2026-03-01T12:00:00Z')
const now = new Date('2026-03-01T13:00:00Z')
const later = (ms: number) => new Date(now.getTime() + ms)
const request = { method: 'POST', path: '/v1/stop?now=1', body: Buffer.from('{"a":1}') }
const administrators = new Map<string, KeyObject>([
  ['root.one', root.publicKey],
  ['other', other.publicKey],
  ['rsa', rsa.publicKey],
])

const sign = (o: { name?: string; now?: Date; privateKey?: KeyObject } = {}) =>
  signRequest(
    { name: o.name ?? 'root.one', privateKey: o.privateKey ?? root.privateKey },
    { ...request, now: o.now ?? now },
  )[signatureHeader]

const check = (
  header: string | undefined,
  o: Partial<typeof request> & { now?: Date; replay?: ReplayWindow } = {},
) =>
  verifySignedRequest(
    header,
    { ...request, ...o },
    administrators,
    o.now ?? now,
    o.replay ?? new ReplayWindow(startedAt),
  )

describe('verifySignedRequest', () => {
  it('names who signed', () => {
    expect(check(sign())).toBe('root.one')
    expect(check(sign({ name: 'other', privateKey: other.privateKey }))).toBe('other')
  })

  it('covers method, path, query, body and name', () => {
    const header = sign() as string
    expect(check(header, { method: 'PUT' })).toBeUndefined()
    expect(check(header, { path: '/v1/stop' })).toBeUndefined()
    expect(check(header, { path: '/v1/stop?now=0' })).toBeUndefined()
    expect(check(header, { body: Buffer.from('{"a":2}') })).toBeUndefined()
    expect(check(header, { body: Buffer.alloc(0) })).toBeUndefined()
    expect(check(header.replace('root.one', 'other'))).toBeUndefined()
  })

  it('knows only the keys it was given', () => {
    expect(check(sign({ name: 'stranger' }))).toBeUndefined()
    expect(check(sign({ privateKey: other.privateKey }))).toBeUndefined()
    expect(check(sign({ name: 'rsa' }))).toBeUndefined()
  })

  it('refuses each changed character of the header, and other forms', () => {
    const header = sign() as string
    for (let at = 0; at < header.length; at++) {
      const changed = `${header.slice(0, at)}${header[at] === 'A' ? 'B' : 'A'}${header.slice(at + 1)}`
      expect([at, check(changed)]).toEqual([at, undefined])
    }
    for (const text of [
      undefined,
      '',
      'x',
      `${header} `,
      `${header}=`,
      `${header}, ${header}`,
      ` ${header}`,
    ]) {
      expect(check(text)).toBeUndefined()
    }
  })

  it('accepts a signature once', () => {
    const replay = new ReplayWindow(startedAt)
    const header = sign()
    expect(check(header, { replay })).toBe('root.one')
    expect(check(header, { replay })).toBeUndefined()
    expect(check(header, { replay, now: later(29_000) })).toBeUndefined()
    expect(check(sign(), { replay })).toBe('root.one')
  })

  it('accepts it only near its time, and never from before the start', () => {
    const header = sign()
    expect(check(header, { now: later(30_000) })).toBe('root.one')
    expect(check(header, { now: later(30_001) })).toBeUndefined()
    expect(check(header, { now: later(-30_001) })).toBeUndefined()
    expect(check(header, { replay: new ReplayWindow(later(1)) })).toBeUndefined()
  })
})

describe('ReplayWindow', () => {
  it('forgets what could not be accepted again, and refuses when it remembers too much', () => {
    const replay = new ReplayWindow(startedAt, 2)
    const at = now.getTime()
    expect(replay.accept('a', at, now)).toBe(true)
    expect(replay.accept('b', at, now)).toBe(true)
    expect(replay.accept('c', at, now)).toBe(false)
    const then = later(60_001)
    expect(replay.accept('c', then.getTime(), then)).toBe(true)
    expect(replay.accept('a', at, then)).toBe(false)
  })

  it('remembers a signature from a clock that runs ahead as long as it is in time', () => {
    const replay = new ReplayWindow(startedAt)
    const ahead = later(30_000).getTime()
    expect(replay.accept('ahead', ahead, now)).toBe(true)
    expect(replay.accept('ahead', ahead, later(60_000))).toBe(false)
  })
})
