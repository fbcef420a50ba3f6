/** One worker's session against return codes that no library at hand gives on demand. */
import { expect, test } from 'vitest'
import { WorkerSession } from '../../src/host/worker-session.js'
import type { JobName } from '../../src/host/jobs/job-table.js'
import type { Pkcs11Profile } from '../../src/profile.js'
import { pkcs11Profiles } from '../../src/profiles.js'
import { type FakeBehaviour, FakeCryptoki, handle } from '../support/fake-cryptoki.js'

const { softhsm, cloudhsm } = pkcs11Profiles

function session(behaviour: FakeBehaviour, profile: Pkcs11Profile = softhsm) {
  const fake = new FakeCryptoki(behaviour)
  const setup = { library: '', slot: handle(1), profile, stamp: undefined }
  const worker = new WorkerSession(fake.cryptoki, setup)
  const run = (name: JobName, args: unknown) =>
    worker.run({ job: 1, name, args, knownStamp: undefined })
  return { fake, run }
}

const count = (calls: readonly string[], call: string) =>
  calls.filter((each) => each === call).length

test.each([0xb3, 0xb0, 0x90, 0x91])(
  'a session lost with 0x%s is replaced and the job run again',
  (code) => {
    const { fake, run } = session({ failures: { C_GenerateRandom: [code] } })
    expect(run('touchToken', undefined)).toMatchObject({ ok: true })
    expect(count(fake.calls, 'C_OpenSession')).toBe(2)
    expect(count(fake.calls, 'C_GenerateRandom')).toBe(2)
  },
)

test('a job that may not run twice is not run again', () => {
  const { fake, run } = session({ failures: { C_DestroyObject: [0xb3] } })
  expect(run('destroyObject', handle(1))).toMatchObject({
    ok: false,
    failure: { means: 'session-lost', error: { code: 'ERR_HSM_UNAVAILABLE' } },
  })
  expect(count(fake.calls, 'C_DestroyObject')).toBe(1)
})

test('a session lost twice is reported', () => {
  const { run } = session({ failures: { C_GenerateRandom: [0xb3, 0xb3] } })
  expect(run('touchToken', undefined)).toMatchObject({
    ok: false,
    failure: { means: 'session-lost' },
  })
})

test('an invalid handle without a login is a lost login, not a missing key', () => {
  const { run } = session({ sessionState: 2 })
  expect(run('destroyObject', handle(77))).toMatchObject({
    ok: false,
    failure: { means: 'login-lost', error: { code: 'ERR_HSM_UNAVAILABLE' } },
  })
})

test('an invalid handle with a login is a missing key', () => {
  const { run } = session({})
  expect(run('destroyObject', handle(77))).toMatchObject({
    ok: false,
    failure: { means: 'key-missing' },
  })
})

test('the token is not well when nobody is logged in', () => {
  const { run } = session({ sessionState: 0 })
  expect(run('touchToken', undefined)).toMatchObject({ failure: { means: 'login-lost' } })
})

test('what throttles on CloudHSM is busy there and a device error elsewhere', () => {
  const failures = { C_GenerateRandom: [0x06] }
  expect(session({ failures }, cloudhsm).run('touchToken', undefined)).toMatchObject({
    failure: { means: 'busy' },
  })
  expect(session({ failures }).run('touchToken', undefined)).toMatchObject({
    failure: { means: 'device-lost' },
  })
})

test('a programming mistake is an internal error with a trace, not a fault of the device', () => {
  const { run } = session({})
  expect(run('sign', { how: 'ecdsa', key: handle(1), input: Buffer.alloc(32) })).toMatchObject({
    ok: false,
    failure: {
      means: undefined,
      error: { code: 'ERR_INTERNAL', trace: expect.stringContaining('the fake has no') },
    },
  })
})
