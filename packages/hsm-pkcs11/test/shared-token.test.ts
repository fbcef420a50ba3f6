/** One SoftHSM token in several hands: the distribution's tools, and several services at once. */
import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type HsmKeyId, SecretBytes } from '@keyhsm/core'
import type { Hsm, WrappedKey } from '@keyhsm/hsm'
import { connectPkcs11, type Pkcs11Hsm } from '@keyhsm/hsm-pkcs11'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { hostOf } from './support/hurt-host.js'
import { SofthsmToken, softhsmPin } from './support/softhsm-token.js'

const binding = Buffer.from('header and context')
/** Far less than what a lock left behind would cost, and more than a busy machine needs for a key or a new host. */
const heldUpMs = 10_000
let token: SofthsmToken
let hsm: Pkcs11Hsm

beforeAll(async () => {
  token = await SofthsmToken.make()
})

afterAll(() => token.dispose())

beforeEach(async () => {
  hsm = await connectPkcs11(token.options())
})

afterEach(() => hsm.close())

interface Deposit {
  readonly id: HsmKeyId
  readonly wrapped: WrappedKey
}

async function makeDeposit(
  kind: 'ec-p256' | 'rsa-2048' | 'aes-256',
  by: Hsm = hsm,
): Promise<Deposit> {
  const id = randomBytes(16).toString('hex') as HsmKeyId
  await by.createKey({ id, label: `shared-${id.slice(0, 8)}`, kind, use: 'wrap' })
  const wrapped = await by.wrapKey(id, SecretBytes.random(32), binding)
  await open({ id, wrapped }, by)
  return { id, wrapped }
}

async function open({ id, wrapped }: Deposit, by: Hsm = hsm): Promise<void> {
  const opened = await by.unwrapKey(id, wrapped, binding)
  opened.wipe()
}

function code(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'fulfilled',
    (error: { code: string }) => error.code,
  )
}

describe.each([
  ['ec-p256', 'privkey'],
  ['rsa-2048', 'privkey'],
  ['aes-256', 'secrkey'],
] as const)('an object deleted by pkcs11-tool, %s', (kind, type) => {
  test('is not found at the very next use, without a recheck', async () => {
    const [gone, kept] = [await makeDeposit(kind), await makeDeposit(kind)]
    await token.tool('--delete-object', '--type', type, '--id', gone.id)
    expect(await code(open(gone))).toBe('ERR_NOT_FOUND')
    const wrap = hsm.wrapKey(gone.id, SecretBytes.random(32), binding)
    expect(await code(wrap)).toBe('ERR_NOT_FOUND')
    await open(kept)
    // What is left of a pair is cleared away.
    expect(await hsm.destroyKey(gone.id)).toBe(kind === 'aes-256' ? 'already-gone' : 'destroyed')
    expect(await token.shows(gone.id)).toBe(false)
  })
})

describe.each(['ec-p256', 'rsa-2048'] as const)(
  'a public half deleted by pkcs11-tool, %s',
  (kind) => {
    test('makes the key unusable, not gone: it opens again when it is put back', async () => {
      const hurt = await makeDeposit(kind)
      const half = ['--type', 'pubkey', '--id', hurt.id]
      const file = join(token.directory, `${hurt.id}.der`)
      await token.tool('--read-object', ...half, '--output-file', file)
      await token.tool('--delete-object', ...half)
      await hsm.recheck()
      expect(await code(open(hurt))).toBe('ERR_HSM_REFUSED')
      const wrap = hsm.wrapKey(hurt.id, SecretBytes.random(32), binding)
      expect(await code(wrap)).toBe('ERR_NOT_FOUND')
      await token.tool('--write-object', file, ...half, '--label', 'put-back')
      await open(hurt)
      await token.tool('--delete-object', ...half)
      expect(await hsm.destroyKey(hurt.id)).toBe('destroyed')
      expect(await code(open(hurt))).toBe('ERR_NOT_FOUND')
      expect(await token.shows(hurt.id)).toBe(false)
    })
  },
)

test('a wrap under a public half whose private half is gone is refused at once', async () => {
  const gone = await makeDeposit('ec-p256')
  await token.tool('--delete-object', '--type', 'privkey', '--id', gone.id)
  expect(await code(hsm.wrapKey(gone.id, SecretBytes.random(32), binding))).toBe('ERR_NOT_FOUND')
})

test('the tool lists both halves of a new pair by label and id, not extractable', async () => {
  const id = randomBytes(16).toString('hex') as HsmKeyId
  await hsm.createKey({ id, label: 'key1-3T17-YYdn-2015-07-23', kind: 'ec-p256', use: 'wrap' })
  const listing = await token.tool('--list-objects')
  const mine = listing.split(/(?=^\w.* Key Object)/m).filter((object) => object.includes(id))
  expect(mine.map((object) => object.split(';')[0]).sort()).toEqual([
    'Private Key Object',
    'Public Key Object',
  ])
  for (const object of mine) expect(object).toContain('key1-3T17-YYdn-2015-07-23')
  const [secret = ''] = mine.filter((object) => object.startsWith('Private'))
  expect(secret).toMatch(/Usage: +derive\n/)
  expect(secret).toContain('never extractable')
})

test('a key planted with our id by the tool is a conflict after a recheck', async () => {
  const deposit = await makeDeposit('ec-p256')
  const made = ['--keygen', '--key-type', 'AES:32', '--id', deposit.id, '--label', 'planted']
  await token.tool(...made)
  await hsm.recheck()
  expect(await code(open(deposit))).toBe('ERR_CONFLICT')
})

describe('several services', () => {
  const script = fileURLToPath(new URL('./support/make-keys.mjs', import.meta.url))
  const started: ChildProcess[] = []

  afterEach(() => {
    for (const service of started.splice(0)) service.kill('SIGKILL')
  })

  function start(keys: number): ChildProcess {
    const env = { ...process.env, ...token.env, PIN_FOR_TEST: softhsmPin }
    const service = fork(script, [token.label, String(keys)], { env, stdio: 'inherit' })
    started.push(service)
    return service
  }

  test('make, use, list and destroy keys at once without an error', async () => {
    const kept = await makeDeposit('ec-p256')
    const services = [start(8), start(8), start(8)]
    const ends = services.map((service) => once(service, 'message'))
    const state = { ended: false }
    const watch = async () => {
      while (!state.ended) {
        await hsm.listKeys()
        await open(kept)
      }
    }
    const watching = watch()
    const reports = (await Promise.all(ends)).map(([report]) => report as object)
    state.ended = true
    await watching
    expect(reports).toEqual(Array.from(services, () => ({ made: 8, failures: [] })))
    const listed = await hsm.listKeys()
    // Each left every second key.
    expect(listed.filter((key) => key.label.startsWith('made-'))).toHaveLength(12)
  })

  test('one that is killed in the middle of its writes holds nobody up', async () => {
    const kept = await makeDeposit('ec-p256')
    for (let round = 0; round < 3; round += 1) {
      const service = start(1000)
      await once(service, 'message')
      service.kill('SIGKILL')
      const startedAt = performance.now()
      await makeDeposit('ec-p256')
      expect(performance.now() - startedAt).toBeLessThan(heldUpMs)
    }
    await open(kept)
  })

  test('a host killed while it makes keys leaves a token that works', async () => {
    const kept = await makeDeposit('ec-p256')
    for (let round = 0; round < 5; round += 1) {
      const making = Array.from({ length: 6 }, () => code(makeDeposit('ec-p256')))
      await new Promise((resolve) => setTimeout(resolve, 10 + round * 12))
      process.kill(hostOf(hsm), 'SIGKILL')
      for (const outcome of await Promise.all(making)) {
        expect(['fulfilled', 'ERR_HSM_UNAVAILABLE']).toContain(outcome)
      }
      await expect.poll(() => code(open(kept)), { timeout: heldUpMs }).toBe('fulfilled')
    }
    const made = await makeDeposit('ec-p256')
    await hsm.close()
    hsm = await connectPkcs11(token.options())
    await open(kept)
    await open(made)
    for (const key of await hsm.listKeys()) expect(key.id).toMatch(/^[0-9a-f]{32}$/)
  })
})
