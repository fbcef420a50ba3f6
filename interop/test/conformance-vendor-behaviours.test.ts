/**
 * What vendors' devices do that no library at hand does, replayed through `interop/vendors/vendor-module.c` on the real
 * host process with the vendor's own profile. Each row: what the device does, and what must become of it.
 */
import { randomBytes } from 'node:crypto'
import { DomainError, type ErrorCode, type HsmKeyId, SecretBytes } from '@keyhsm/core'
import type { HsmKey, WrappedKey, WrappingKind } from '@keyhsm/hsm'
import type { Pkcs11Hsm } from '@keyhsm/hsm-pkcs11'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Vendor, VendorToken } from './support/vendor-token.js'

/** What vitest's report carries for each row; `npm run conformance` prints it. */
interface BehaviourMeta {
  readonly vendor: Vendor
  readonly behaviour: string
  readonly expected: string
}

declare module 'vitest' {
  interface TaskMeta {
    behaviour?: BehaviourMeta
  }
}

const binding = Buffer.from('header and context')

/** A wrapped content key and what it must open to. */
interface Entry {
  readonly key: HsmKey
  readonly wrapped: WrappedKey
  readonly secret: Buffer
}

/** A token of one vendor, connected, with a key that was made while the device was well. */
interface Bench {
  readonly token: VendorToken
  readonly hsm: Pkcs11Hsm
  readonly entry: Entry
}

interface Row {
  readonly behaviour: string
  /** An error's code, `works`, or another word that the row's proof stands for. */
  readonly expected: ErrorCode | 'works' | 'works again'
  readonly prove: (bench: Bench) => Promise<void>
}

function newSpec(kind: WrappingKind) {
  const id = randomBytes(16).toString('hex') as HsmKeyId
  return { id, label: `behaviour-${id.slice(0, 8)}`, kind, use: 'wrap' } as const
}

async function wrap(hsm: Pkcs11Hsm, key: HsmKey): Promise<Entry> {
  const secret = randomBytes(32)
  const wrapped = await hsm.wrapKey(key.id, SecretBytes.own(Buffer.from(secret)), binding)
  return { key, wrapped, secret }
}

async function opens(hsm: Pkcs11Hsm, { key, wrapped, secret }: Entry): Promise<void> {
  const opened = await hsm.unwrapKey(key.id, wrapped, binding)
  expect(opened.expose((bytes) => bytes.equals(secret))).toBe(true)
}

async function refusal(call: Promise<unknown>): Promise<DomainError> {
  const error: unknown = await call.catch((reason: unknown) => reason)
  if (!(error instanceof DomainError)) throw new Error('it was not refused')
  return error
}

/** Repeats until the entry opens; meanwhile nothing but "cannot be asked" may be answered. */
async function opensAgain(hsm: Pkcs11Hsm, entry: Entry): Promise<void> {
  const endsAt = performance.now() + 10_000
  for (;;) {
    try {
      return await opens(hsm, entry)
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' })
      if (performance.now() > endsAt) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** The device answers `lines` to whatever `ask` does; the key made before still opens, or does again. */
async function refuses(
  { token, hsm, entry }: Bench,
  lines: readonly string[],
  code: ErrorCode,
  ask: (hsm: Pkcs11Hsm) => Promise<unknown>,
): Promise<DomainError> {
  await token.behave(lines)
  const error = await refusal(ask(hsm))
  expect(error.code).toBe(code)
  await token.behave()
  await opensAgain(hsm, entry)
  return error
}

/** Repeated by itself until the device is no longer busy. */
function repeated(behaviour: string, line: string, ask: (bench: Bench) => Promise<unknown>): Row {
  return {
    behaviour,
    expected: 'works',
    prove: async (bench) => {
      await bench.token.behave([line])
      await ask(bench)
      await bench.token.behave()
    },
  }
}

/** A connection of its own, for behaviours that are found out when connecting. */
async function connected(
  { token }: Bench,
  lines: readonly string[],
  use: (hsm: Pkcs11Hsm) => Promise<void>,
  without?: RegExp,
): Promise<void> {
  await token.behave(lines, without)
  const hsm = await token.connect()
  try {
    await use(hsm)
  } finally {
    await hsm.close()
    await token.behave()
  }
}

const unwrapIt = ({ hsm, entry }: Bench) => opens(hsm, entry)
const busyCodes = {
  CKR_FUNCTION_FAILED: 0x06,
  CKR_DEVICE_ERROR: 0x30,
  'CKR_OPERATION_ACTIVE (SDK 3)': 0x90,
}
const fullCodes = {
  CKR_HSM_STORAGE_FULL: 0x8000002a,
  CKR_CONTAINER_OBJECT_STORAGE_FULL: 0x8000002c,
  CKR_MAX_OBJECT_COUNT_EXCEEDED: 0x8000001b,
  CKR_LICENSE_CAPACITY_EXCEEDED: 0x80000031,
  CKR_DEVICE_MEMORY: 0x31,
}
const lostCodes = {
  CKR_DEVICE_ERROR: 0x30,
  CKR_TOKEN_NOT_PRESENT: 0xe0,
  CKR_UNABLE_TO_CONNECT: 0x8000001f,
}

const cloudhsm: readonly Row[] = [
  ...Object.entries(busyCodes).map(([name, code]) =>
    repeated(`throttles an unwrap twice: ${name}`, `return C_Decrypt ${code} first 2`, unwrapIt),
  ),
  repeated('throttles a look', 'return C_GetAttributeValue 0x30 first 2', ({ hsm, entry }) =>
    expect(hsm.findKey(entry.key.id)).resolves.toMatchObject({ id: entry.key.id }),
  ),
  {
    behaviour: 'throttles for longer than we repeat',
    expected: 'ERR_HSM_UNAVAILABLE',
    prove: async (bench) => {
      await refuses(bench, ['return C_DecryptInit 0x06'], 'ERR_HSM_UNAVAILABLE', (hsm) =>
        opens(hsm, bench.entry),
      )
    },
  },
  {
    behaviour: 'throttles the making of a key: not repeated, it may have been made',
    expected: 'ERR_HSM_UNAVAILABLE',
    prove: async (bench) => {
      const make = (hsm: Pkcs11Hsm) => hsm.createKey(newSpec('aes-256'))
      await refuses(bench, ['return C_GenerateKey 0x06 first 1'], 'ERR_HSM_UNAVAILABLE', make)
    },
  },
  {
    behaviour: 'refuses read-only sessions, CKA_PRIVATE and CKA_MODIFIABLE in templates',
    expected: 'works',
    prove: async ({ hsm }) => {
      for (const kind of ['aes-256', 'rsa-2048'] as const) await hsm.createKey(newSpec(kind))
    },
  },
  {
    behaviour: 'refuses an id that another key has',
    expected: 'ERR_ALREADY_EXISTS',
    prove: async ({ token, hsm, entry }) => {
      // A connection that has just looked believes itself alone; the device knows better.
      const other = await token.connect()
      const spec = newSpec('aes-256')
      await other.createKey(spec)
      await other.close()
      expect((await refusal(hsm.createKey(spec))).code).toBe('ERR_ALREADY_EXISTS')
      await opens(hsm, entry)
    },
  },
  {
    behaviour: 'has revoked a key a moment after it was made: gone, not still to appear',
    expected: 'ERR_NOT_FOUND',
    prove: async ({ hsm }) => {
      const own = await wrap(hsm, await hsm.createKey(newSpec('aes-256')))
      await hsm.destroyKey(own.key.id)
      expect((await refusal(opens(hsm, own))).code).toBe('ERR_NOT_FOUND')
    },
  },
  {
    behaviour: 'makes the nonce of GCM and puts it first',
    expected: 'works',
    prove: async ({ hsm, entry }) => {
      const again = await wrap(hsm, entry.key)
      expect(entry.wrapped).toMatchObject({ algorithm: 'aes-256-gcm' })
      expect(entry.wrapped.bytes).toHaveLength(60)
      expect(again.wrapped.bytes.subarray(0, 12)).not.toEqual(entry.wrapped.bytes.subarray(0, 12))
    },
  },
  {
    behaviour: 'writes the nonce of GCM back into our buffer',
    expected: 'works',
    prove: (bench) =>
      connected(
        bench,
        [],
        async (hsm) => {
          const own = await wrap(hsm, await hsm.createKey(newSpec('aes-256')))
          expect(own.wrapped).toMatchObject({ algorithm: 'aes-256-gcm' })
          expect(own.wrapped.bytes.subarray(0, 12)).not.toEqual(Buffer.alloc(12))
          await opens(hsm, own)
          // What the other way of GCM has wrapped opens too: the stored form is the same.
          await opens(hsm, bench.entry)
        },
        /^gcm 0x80001087/,
      ),
  },
  {
    behaviour: 'would use our zeros as the nonce: that way is not taken',
    expected: 'works',
    prove: (bench) =>
      connected(
        bench,
        [],
        async (hsm) => {
          const own = await wrap(hsm, await hsm.createKey(newSpec('aes-256')))
          expect(own.wrapped.algorithm).toBe('aes-256-kwp')
          await opens(hsm, own)
        },
        /^gcm/,
      ),
  },
  {
    behaviour: 'refuses a session that is opened too fast',
    expected: 'works',
    prove: async ({ token, entry }) => {
      await token.behave(['return C_OpenSession 0x07 first 2'])
      const hsm = await token.connect()
      await token.behave()
      await opens(hsm, entry)
      await hsm.close()
    },
  },
]

const luna: readonly Row[] = [
  {
    behaviour: 'appends an IV of its own to GCM in FIPS mode, so KWP is used',
    expected: 'works',
    prove: async ({ hsm }) => {
      const own = await wrap(hsm, await hsm.createKey(newSpec('aes-256')))
      expect(own.wrapped).toMatchObject({ algorithm: 'aes-256-kwp' })
      expect(own.wrapped.bytes).toHaveLength(40)
      await opens(hsm, own)
      const bytes = Buffer.from(own.wrapped.bytes)
      bytes.writeUInt8(bytes.readUInt8(7) ^ 1, 7)
      const bad = hsm.unwrapKey(own.key.id, { ...own.wrapped, bytes }, binding)
      expect((await refusal(bad)).code).toBe('ERR_INTEGRITY')
    },
  },
  ...Object.entries(fullCodes).map(
    ([name, code]): Row => ({
      behaviour: `is full: ${name}`,
      expected: 'ERR_HSM_FULL',
      prove: async (bench) => {
        const make = (hsm: Pkcs11Hsm) => hsm.createKey(newSpec('ec-p256'))
        await refuses(bench, [`return C_GenerateKeyPair ${code}`], 'ERR_HSM_FULL', make)
      },
    }),
  ),
  ...Object.entries(lostCodes).map(
    ([name, code]): Row => ({
      behaviour: `lost every member of the HA group: ${name} until it is initialised anew`,
      expected: 'works again',
      prove: async (bench) => {
        const { hsm, entry } = bench
        const lost = `return * ${code} sticky`
        const find = () => hsm.findKey(entry.key.id)
        await refuses(bench, [lost], 'ERR_HSM_UNAVAILABLE', find)
      },
    }),
  ),
  {
    behaviour: 'tells the bytes of its partition',
    expected: 'works',
    prove: async ({ hsm }) => {
      const { memory } = await hsm.probe()
      expect(memory).toEqual({ totalBytes: 0x190000, freeBytes: 0x140000 })
    },
  },
  repeated('is busy: CKR_BUSY', 'return C_DecryptInit 0x80001604 first 2', unwrapIt),
  {
    behaviour: 'has locked the crypto officer out',
    expected: 'ERR_HSM_LOGIN',
    prove: async ({ token }) => {
      await token.behave(['return C_Login 0x80000007'])
      expect((await refusal(token.connect())).code).toBe('ERR_HSM_LOGIN')
      await token.behave()
    },
  },
  {
    behaviour: 'makes RSA pairs by the FIPS 186-3 mechanism',
    expected: 'works',
    prove: async ({ hsm }) => {
      const own = await wrap(hsm, await hsm.createKey(newSpec('rsa-2048')))
      await opens(hsm, own)
    },
  },
]

const thales: readonly Row[] = [
  {
    behaviour: 'wants a card in the reader to make a key (FIPS level 3)',
    expected: 'ERR_HSM_REFUSED',
    prove: async (bench) => {
      const make = (hsm: Pkcs11Hsm) => hsm.createKey(newSpec('ec-p256'))
      const lines = ['return C_GenerateKeyPair 0x800000e0']
      const error = await refuses(bench, lines, 'ERR_HSM_REFUSED', make)
      expect(error.hints.join()).toContain('card into the reader')
    },
  },
  {
    behaviour: 'lost its operator card: CKR_TOKEN_NOT_PRESENT until it is back',
    expected: 'works again',
    prove: async (bench) => {
      const { hsm, entry } = bench
      const find = () => hsm.findKey(entry.key.id)
      const error = await refuses(bench, ['return * 0xe0'], 'ERR_HSM_UNAVAILABLE', find)
      expect(error.hints.join()).toContain('operator card')
    },
  },
  {
    behaviour: 'answers CKR_FUNCTION_FAILED for an attribute that a key lacks',
    expected: 'works',
    prove: async ({ token, entry }) => {
      const other = await token.connect()
      const listed = await other.listKeys()
      expect(listed.map(({ id }) => id)).toContain(entry.key.id)
      await other.close()
    },
  },
  {
    behaviour: 'refuses keys that leave open what they may do (security assurance)',
    expected: 'works',
    prove: async ({ hsm }) => {
      for (const kind of ['aes-256', 'rsa-2048', 'ec-p256'] as const) {
        await opens(hsm, await wrap(hsm, await hsm.createKey(newSpec(kind))))
      }
    },
  },
]

const vendors: Readonly<Record<Vendor, { kind: WrappingKind; rows: readonly Row[] }>> = {
  cloudhsm: { kind: 'aes-256', rows: cloudhsm },
  luna: { kind: 'ec-p256', rows: luna },
  thales: { kind: 'ec-p256', rows: thales },
}

for (const [name, { kind, rows }] of Object.entries(vendors)) {
  const vendor = name as Vendor
  describe(`a device that behaves as ${vendor}`, () => {
    let bench: Bench

    beforeAll(async () => {
      const token = await VendorToken.make(vendor)
      const hsm = await token.connect()
      const entry = await wrap(hsm, await hsm.createKey(newSpec(kind)))
      bench = { token, hsm, entry }
    })

    afterAll(async () => {
      await bench?.hsm.close()
      await bench?.token.dispose()
    })

    for (const { behaviour, expected, prove } of rows) {
      test(`${behaviour}: ${expected}`, async ({ task }) => {
        task.meta.behaviour = { vendor, behaviour, expected }
        await prove(bench)
      })
    }
  })
}
