/** AP-REQs as a client makes them, with every part that can be wrong made wrong; a real KDC is asked in interop/hadoop. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createNegotiator, SeenAuthentications } from '../../src/authentication/spnego.js'
import { field, readFields, readWhole, tags, toTime } from '../../src/kerberos/der.js'
import { writeDer, writeField, writeInteger } from '../../src/kerberos/write-der.js'
import { decrypt, encrypt, type KerberosKey } from '../../src/kerberos/encryption.js'
import { parseKeytab } from '../../src/kerberos/keytab.js'
import { TestClock } from '../support/test-clock.js'

const serviceKey: KerberosKey = { type: 18, bytes: Buffer.alloc(32, 1) }
const sessionKey: KerberosKey = { type: 17, bytes: Buffer.alloc(16, 2) }
const entries = [{ principal: 'HTTP/kms@EXAMPLE.COM', version: 3, key: serviceKey }]
const krb5 = Buffer.from('2a864886f712010202', 'hex')
const spnego = Buffer.from('2b0601050502', 'hex')

const text = (value: string) => writeDer(tags.generalString, Buffer.from(value))
const time = (at: Date) =>
  writeDer(tags.generalizedTime, Buffer.from(at.toISOString().replace(/[-:T]|\.\d+/g, '')))
const sequence = (fields: Readonly<Record<number, Buffer>>) =>
  writeDer(
    tags.sequence,
    ...Object.entries(fields).map(([number, value]) => writeField(Number(number), value)),
  )
const name = (...parts: string[]) =>
  sequence({ 0: writeInteger(1), 1: writeDer(tags.sequence, ...parts.map(text)) })
const encrypted = (key: KerberosKey, usage: number, plain: Buffer, version?: number) =>
  sequence({
    0: writeInteger(key.type),
    ...(version === undefined ? {} : { 1: writeInteger(version) }),
    2: writeDer(tags.octetString, encrypt(key, usage, plain)),
  })

interface Wish {
  readonly at?: Date
  readonly endsAt?: Date
  readonly client?: string
  readonly authenticatorClient?: string
  readonly server?: string
  readonly version?: number
  readonly key?: KerberosKey
  readonly mechanism?: Buffer
  readonly bare?: boolean
}

function makeToken(now: Date, wish: Wish = {}): Buffer {
  const { at = now, endsAt = new Date(now.getTime() + 3_600_000), client = 'alice' } = wish
  const part = sequence({
    0: writeDer(0x03, Buffer.from([0, 0, 0, 0, 0])),
    1: sequence({
      0: writeInteger(sessionKey.type),
      1: writeDer(tags.octetString, sessionKey.bytes),
    }),
    2: text('EXAMPLE.COM'),
    3: name(client),
    4: sequence({ 0: writeInteger(1), 1: writeDer(tags.octetString) }),
    5: time(now),
    7: time(endsAt),
  })
  const ticket = sequence({
    0: writeInteger(5),
    1: text('EXAMPLE.COM'),
    2: name('HTTP', wish.server ?? 'kms'),
    3: encrypted(wish.key ?? serviceKey, 2, writeDer(0x63, part), wish.version ?? 3),
  })
  const authenticator = sequence({
    0: writeInteger(5),
    1: text('EXAMPLE.COM'),
    2: name(wish.authenticatorClient ?? client),
    4: writeInteger(123_456),
    5: time(at),
  })
  const apReq = sequence({
    0: writeInteger(5),
    1: writeInteger(14),
    2: writeDer(0x03, Buffer.from([0, 0x20, 0, 0, 0])),
    3: writeDer(0x61, ticket),
    4: encrypted(sessionKey, 11, writeDer(0x62, authenticator)),
  })
  const mechanism = wish.mechanism ?? krb5
  const framed = writeDer(
    0x60,
    writeDer(tags.oid, mechanism),
    Buffer.from([1, 0]),
    writeDer(0x6e, apReq),
  )
  if (wish.bare) return framed
  const init = sequence({
    0: writeDer(tags.sequence, writeDer(tags.oid, mechanism)),
    2: writeDer(tags.octetString, framed),
  })
  return writeDer(0x60, writeDer(tags.oid, spnego), writeField(0, init))
}

function make() {
  const clock = new TestClock()
  const seen = new SeenAuthentications()
  const make = () => createNegotiator(entries, seen, clock)
  return { clock, negotiator: make(), another: make }
}

describe('a Kerberos authentication', () => {
  it.each([false, true])(
    'says who it is, and is answered with the client’s own time (bare: %s)',
    async (bare) => {
      const { clock, negotiator } = make()
      const { principal, reply } = await negotiator.accept(makeToken(clock.now(), { bare }))
      expect(principal).toBe('alice@EXAMPLE.COM')
      const framed = bare
        ? reply
        : field(readFields(readWhole(readWhole(reply, 0xa1), tags.sequence)), 2, tags.octetString)
      const inside = readWhole(framed, 0x60)
      // Object identifier (11 bytes) and token id (2) go before the AP-REP.
      const apRep = readFields(readWhole(readWhole(inside.subarray(13), 0x6f), tags.sequence))
      const cipher = field(readFields(field(apRep, 2, tags.sequence)), 2, tags.octetString)
      const part = readFields(
        readWhole(readWhole(decrypt(sessionKey, 12, cipher), 0x7b), tags.sequence),
      )
      expect(toTime(field(part, 0, tags.generalizedTime))).toEqual(clock.now())
    },
  )

  it.each([
    ['of another service', { server: 'other' }, 'no key for HTTP/other@EXAMPLE.COM'],
    ['under a version that is not in the keytab', { version: 4 }, 'no key for'],
    ['under another key', { key: { type: 18, bytes: Buffer.alloc(32, 9) } }, 'not made for a key'],
    ['with another client’s ticket', { authenticatorClient: 'root' }, 'another client'],
    ['from the past', { at: new Date(1_700_000_000_000 - 301_000) }, 'Clock skew too great'],
    ['from the future', { at: new Date(1_700_000_000_000 + 301_000) }, 'Clock skew too great'],
    [
      'with a ticket that is over',
      { endsAt: new Date(1_700_000_000_000 - 301_000) },
      'Ticket expired',
    ],
    [
      'of another mechanism',
      { mechanism: Buffer.from('2b06010401823702020a', 'hex') },
      'Defective token',
    ],
  ] as const)('is refused %s', async (_, wish, words) => {
    const { clock, negotiator } = make()
    await expect(negotiator.accept(makeToken(clock.now(), wish))).rejects.toThrow(words)
  })

  it('counts once, as long as its time is believed', async () => {
    const { clock, negotiator } = make()
    const token = makeToken(clock.now())
    await negotiator.accept(token)
    await expect(negotiator.accept(token)).rejects.toThrow('Request is a replay')
    clock.advance(299_000)
    await expect(negotiator.accept(token)).rejects.toThrow('Request is a replay')
    clock.advance(400_000)
    await expect(negotiator.accept(token)).rejects.toThrow('Clock skew too great')
  })

  it('counts once also for a negotiator that a reload made', async () => {
    const { clock, negotiator, another } = make()
    const token = makeToken(clock.now())
    await negotiator.accept(token)
    await expect(another().accept(token)).rejects.toThrow('Request is a replay')
    clock.advance(1000)
    await expect(another().accept(makeToken(clock.now()))).resolves.toBeDefined()
  })

  it('is refused when it is cut, changed or something else, and never by a crash', async () => {
    const { clock, negotiator } = make()
    const token = makeToken(clock.now())
    for (let length = 0; length < token.length; length += 7)
      await expect(negotiator.accept(token.subarray(0, length))).rejects.toMatchObject({
        code: 'ERR_NOT_AUTHENTICATED',
      })
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: token.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const changed = Buffer.from(token)
          changed[at] = (changed[at] ?? 0) ^ flip
          const outcome = await negotiator
            .accept(changed)
            .catch((error: { code: string }) => error.code)
          // Some bytes mean nothing (versions, flags); then it is still alice.
          expect(['ERR_NOT_AUTHENTICATED', 'alice@EXAMPLE.COM']).toContain(
            typeof outcome === 'string' ? outcome : outcome.principal,
          )
        },
      ),
      { numRuns: 300 },
    )
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
        await expect(negotiator.accept(Buffer.from(bytes))).rejects.toMatchObject({
          code: 'ERR_NOT_AUTHENTICATED',
        })
      }),
      { numRuns: 200 },
    )
  })
})

describe('a keytab', () => {
  /** Two keys of HTTP/kms@X (18 and 23) and a hole, as ktutil writes them. */
  function makeKeytab(): Buffer {
    const counted = (bytes: Buffer) => Buffer.concat([Buffer.from([0, bytes.length]), bytes])
    const entry = (type: number, key: Buffer) =>
      Buffer.concat([
        Buffer.from([0, 2]),
        ...['X', 'HTTP', 'kms'].map((part) => counted(Buffer.from(part))),
        Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 5, 0, type]),
        counted(key),
        Buffer.from([0, 0, 1, 5]),
      ])
    const sized = (bytes: Buffer) => {
      const size = Buffer.alloc(4)
      size.writeInt32BE(bytes.length)
      return Buffer.concat([size, bytes])
    }
    const hole = Buffer.from([0xff, 0xff, 0xff, 0xfd, 0, 0, 0])
    const [aes, rc4] = [sized(entry(18, Buffer.alloc(32, 7))), sized(entry(23, Buffer.alloc(16)))]
    return Buffer.concat([Buffer.from([5, 2]), rc4, hole, aes])
  }

  it('gives the keys that can be used, with their full version', () => {
    expect(parseKeytab(makeKeytab())).toEqual([
      { principal: 'HTTP/kms@X', version: 261, key: { type: 18, bytes: Buffer.alloc(32, 7) } },
    ])
  })

  it('is refused when it is another file, or cut', () => {
    const whole = makeKeytab()
    expect(() => parseKeytab(Buffer.from('nonsense'))).toThrow('is no keytab')
    expect(() => parseKeytab(whole.subarray(0, 40))).toThrow('is no keytab')
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          parseKeytab(Buffer.concat([Buffer.from([5, 2]), bytes]))
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_SETTINGS' })
        }
      }),
    )
  })
})
