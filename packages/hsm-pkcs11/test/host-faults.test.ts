/** What happens to callers when the host process, the library or the device goes wrong, on real SoftHSM. */
import { randomBytes } from 'node:crypto'
import { type DomainError, type HsmKeyId, SecretBytes } from '@keyhsm/core'
import type { Hsm, KeyKind, WrappedKey } from '@keyhsm/hsm'
import { connectPkcs11, type Pkcs11Hsm, pkcs11Profiles } from '@keyhsm/hsm-pkcs11'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { FaultyModule } from './support/faulty-module.js'
import { alive, hostOf } from './support/hurt-host.js'
import { SofthsmToken, softhsmLibrary } from './support/softhsm-token.js'

const binding = Buffer.from('header and context')
/** The 3 s that are promised are shown by `npm run faults:table`; here the machine may have much else to do. */
const recoveryMs = 10_000
const { softhsm } = pkcs11Profiles
const profile = { ...softhsm, limits: { ...softhsm.limits, useMs: 400 } }

let token: SofthsmToken
let faulty: FaultyModule
let hsm: Pkcs11Hsm

beforeAll(async () => {
  token = await SofthsmToken.make()
  faulty = await FaultyModule.build(token.directory, softhsmLibrary ?? '')
})

afterAll(() => token.dispose())

beforeEach(async () => {
  hsm = await connectPkcs11(options())
})

afterEach(async () => {
  await faulty.heal()
  await hsm.close()
})

function options() {
  const env = { ...token.env, ...faulty.env }
  return token.options({ profile, library: faulty.library, env })
}

interface Deposit {
  readonly id: HsmKeyId
  readonly contentKey: SecretBytes
  readonly wrapped: WrappedKey
}

async function makeDeposit(kind: KeyKind): Promise<Deposit> {
  const id = randomBytes(16).toString('hex') as HsmKeyId
  await hsm.createKey({ id, label: `fault-${id.slice(0, 8)}`, kind, use: 'wrap' })
  const contentKey = SecretBytes.random(32)
  return { id, contentKey, wrapped: await hsm.wrapKey(id, contentKey, binding) }
}

async function opens({ id, contentKey, wrapped }: Deposit, by: Hsm = hsm): Promise<boolean> {
  const opened = await by.unwrapKey(id, wrapped, binding)
  return opened.expose((a) => contentKey.expose((b) => a.equals(b)))
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  return await call.then(
    () => 'fulfilled',
    (error: DomainError) => error.code,
  )
}

/** Unwraps in `lanes` at once until `until` resolves; the codes seen, and the milliseconds of the longest outage. */
async function load(deposit: Deposit, lanes: number, until: Promise<unknown>) {
  const by = hsm
  const codes = new Set<string>()
  const state = { ended: false }
  let wrong = 0
  let lastGood = performance.now()
  let longestGapMs = 0
  const end = () => {
    state.ended = true
  }
  until.then(end, end)
  const lane = async () => {
    while (!state.ended) {
      const outcome = await opens(deposit, by).catch((error: DomainError) => error.code)
      if (outcome === true) {
        const now = performance.now()
        longestGapMs = Math.max(longestGapMs, now - lastGood)
        lastGood = now
      } else if (outcome === false) wrong += 1
      else {
        codes.add(outcome)
        await pause(10)
      }
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  await until
  return { codes: [...codes].sort(), wrong, longestGapMs }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function recovers(deposit: Deposit): Promise<void> {
  await expect.poll(() => opens(deposit).catch(() => false), { timeout: recoveryMs }).toBe(true)
}

describe('under load', () => {
  test.each([
    ['SIGKILL', 'ec-p256'],
    ['SIGKILL', 'aes-256'],
    ['SIGSEGV', 'ec-p256'],
    ['SIGSTOP', 'aes-256'],
  ] as const)(
    'a host that gets %s costs callers a retry and is replaced, %s',
    async (signal, kind) => {
      const deposit = await makeDeposit(kind)
      const victim = hostOf(hsm)
      const story = async () => {
        await pause(200)
        process.kill(victim, signal)
        await pause(200)
        await recovers(deposit)
        await pause(200)
      }
      const { codes, wrong, longestGapMs } = await load(deposit, 8, story())
      expect(wrong).toBe(0)
      expect(codes).toEqual(['ERR_HSM_UNAVAILABLE'])
      expect(longestGapMs).toBeLessThan(recoveryMs)
      expect(hostOf(hsm)).not.toBe(victim)
      await expect.poll(() => alive(victim)).toBe(false)
    },
  )
})

describe('a library that misbehaves', () => {
  test('a crash in the library ends only the host', async () => {
    const deposit = await makeDeposit('aes-256')
    await faulty.fail('C_Decrypt', 'crash')
    expect(await codeOf(opens(deposit))).toBe('ERR_HSM_UNAVAILABLE')
    await faulty.heal()
    await recovers(deposit)
  })

  test('a call that hangs is answered, its host killed and replaced', async () => {
    const deposit = await makeDeposit('aes-256')
    const victim = hostOf(hsm)
    await faulty.fail('C_Decrypt', 'hang')
    const startedAt = performance.now()
    expect(await codeOf(opens(deposit))).toBe('ERR_HSM_UNAVAILABLE')
    expect(performance.now() - startedAt).toBeLessThan(recoveryMs)
    await faulty.heal()
    await recovers(deposit)
    expect(alive(victim)).toBe(false)
  })

  test('device errors are unavailable, and after three the host is replaced', async () => {
    const deposit = await makeDeposit('aes-256')
    const victim = hostOf(hsm)
    await faulty.fail('C_DecryptInit', 'return 48')
    for (let round = 0; round < 5; round += 1) {
      expect(await codeOf(opens(deposit))).toBe('ERR_HSM_UNAVAILABLE')
    }
    await faulty.heal()
    await recovers(deposit)
    expect(hostOf(hsm)).not.toBe(victim)
  })

  test('one device error does not cost the host', async () => {
    const deposit = await makeDeposit('aes-256')
    const victim = hostOf(hsm)
    await faulty.fail('C_DecryptInit', 'once-return 48')
    expect(await codeOf(opens(deposit))).toBe('ERR_HSM_UNAVAILABLE')
    expect(await opens(deposit)).toBe(true)
    expect(hostOf(hsm)).toBe(victim)
  })

  test.each([
    ['a lost session', 'once-return 179'],
    ['an operation left active', 'once-return 144'],
    ['a stale handle', 'once-return 130'],
  ])('%s is repaired without the caller noticing', async (_name, what) => {
    const deposit = await makeDeposit('aes-256')
    await faulty.fail('C_DecryptInit', what)
    expect(await opens(deposit)).toBe(true)
  })

  test('invalid handles of a key that is there never mean that it is gone', async () => {
    const deposit = await makeDeposit('aes-256')
    for (const code of [0x82, 0x60]) {
      await faulty.fail('C_DecryptInit', `return ${code}`)
      expect(await codeOf(opens(deposit))).toBe('ERR_HSM_UNAVAILABLE')
    }
    await faulty.heal()
    expect(await opens(deposit)).toBe(true)
  })

  test('a search that fails never means that the key is gone', async () => {
    const deposit = await makeDeposit('aes-256')
    await faulty.fail('C_FindObjects', 'return 5')
    expect(await codeOf(hsm.findKey(deposit.id))).toBe('ERR_HSM_UNAVAILABLE')
    expect(await codeOf(hsm.destroyKey(deposit.id))).toBe('ERR_HSM_UNAVAILABLE')
    await faulty.heal()
    await recovers(deposit)
  })

  test('a full device refuses new keys and opens on', async () => {
    const deposit = await makeDeposit('aes-256')
    await faulty.fail('C_GenerateKey', 'return 49')
    expect(await codeOf(makeDeposit('aes-256'))).toBe('ERR_HSM_FULL')
    expect(await opens(deposit)).toBe(true)
  })
})

describe('what is not done', () => {
  test('no search on the way of a known key, not even after a respawn', async () => {
    const deposit = await makeDeposit('aes-256')
    const again = await connectPkcs11(options())
    await hsm.close()
    await faulty.forgetCalls()
    for (let round = 0; round < 5; round += 1) expect(await opens(deposit, again)).toBe(true)
    // Many in one message share the handle.
    const many = await Promise.all(Array.from({ length: 40 }, () => opens(deposit, again)))
    expect(many).not.toContain(false)
    await again.wrapKey(deposit.id, deposit.contentKey, binding)
    expect(await faulty.countOf('C_FindObjectsInit')).toBe(0)
    expect(await faulty.countOf('C_Decrypt')).toBe(45)
    await again.close()
  })

  test('no search before a new key while nobody else writes', async () => {
    await makeDeposit('ec-p256')
    await faulty.forgetCalls()
    await makeDeposit('ec-p256')
    expect(await faulty.countOf('C_FindObjectsInit')).toBe(0)
    await token.tool('--keygen', '--key-type', 'AES:32', '--id', 'ab'.repeat(16), '--label', 'x')
    await makeDeposit('ec-p256')
    expect(await faulty.countOf('C_FindObjectsInit')).toBe(1)
  })

  test('a listing searches only where somebody else has written', async () => {
    const kept = await makeDeposit('aes-256')
    const lost = await makeDeposit('aes-256')
    const idsOf = async () => (await hsm.listKeys()).map(({ id }) => id)
    await faulty.forgetCalls()
    expect(await idsOf()).toEqual(expect.arrayContaining([kept.id, lost.id]))
    expect(await faulty.countOf('C_FindObjectsInit')).toBe(0)
    await token.tool('--delete-object', '--type', 'secrkey', '--id', lost.id)
    const left = await idsOf()
    expect(left).toContain(kept.id)
    expect(left).not.toContain(lost.id)
    expect(await faulty.countOf('C_FindObjectsInit')).toBe(1)
  })

  test('no harm by readings of the token that overlap', async () => {
    const { id } = await makeDeposit('aes-256')
    await token.tool('--keygen', '--key-type', 'AES:32', '--id', 'cd'.repeat(16), '--label', 'y')
    const asked = [hsm.recheck(), hsm.listKeys(), hsm.recheck(), hsm.listKeys()] as const
    for (const listed of (await Promise.all(asked)).filter((one) => one !== undefined)) {
      expect(listed.map((key) => key.id)).toContain(id)
    }
  })

  test('no second login, whoever asks and however often', async () => {
    await faulty.forgetCalls()
    const pin = SecretBytes.own(Buffer.from('marked-wrong-pin'))
    const refusals: string[] = []
    const onLoginRefused = (error: DomainError) => refusals.push(error.code)
    expect(await codeOf(connectPkcs11({ ...options(), pin, onLoginRefused }))).toBe('ERR_HSM_LOGIN')
    await pause(500)
    expect(refusals).toEqual(['ERR_HSM_LOGIN'])
    expect(await faulty.countOf('C_Login')).toBe(1)
  })

  test('no second login, though the refusal cannot be remembered', async () => {
    const pin = SecretBytes.own(Buffer.from('marked-wrong-pin'))
    const onLoginRefused = () => {
      throw new Error('no room')
    }
    await faulty.forgetCalls()
    expect(await codeOf(connectPkcs11({ ...options(), pin, onLoginRefused }))).toBe('ERR_HSM_LOGIN')
    await pause(500)
    expect(await faulty.countOf('C_Login')).toBe(1)
  })

  test('a login refused after a respawn latches', async () => {
    await faulty.fail('C_Login', 'return 160')
    process.kill(hostOf(hsm), 'SIGKILL')
    const state = async () => (await hsm.probe()).state
    await expect.poll(state, { timeout: recoveryMs }).toBe('login-refused')
    await faulty.forgetCalls()
    await pause(500)
    expect(await codeOf(hsm.recheck())).toBe('ERR_HSM_LOGIN')
    expect(await faulty.countOf('C_Login')).toBe(0)
    expect(hsm.hostProcessId).toBeUndefined()
  })
})
