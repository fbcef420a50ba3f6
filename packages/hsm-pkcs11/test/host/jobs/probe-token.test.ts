/** What is concluded about devices that differ in who makes the GCM nonce and in what they list. */
import { describe, expect, test } from 'vitest'
import { CKM } from '../../../src/constants.js'
import { unwrapAes, wrapAes } from '../../../src/host/jobs/aes-wrap.js'
import { probeToken } from '../../../src/host/jobs/probe-token.js'
import type { Pkcs11Profile } from '../../../src/profile.js'
import { pkcs11Profiles } from '../../../src/profiles.js'
import { type FakeBehaviour, FakeCryptoki, handle } from '../../support/fake-cryptoki.js'

const { softhsm, luna, cloudhsm } = pkcs11Profiles
const everything = [
  0x0,
  CKM.rsaPkcsOaep,
  CKM.sha256Hmac,
  CKM.genericSecretKeyGen,
  CKM.ecKeyPairGen,
  CKM.ecdsa,
  CKM.ecdh1Derive,
  CKM.aesKeyGen,
  CKM.aesGcm,
  CKM.aesCmac,
  CKM.aesKeyWrapKwp,
  0x80001087,
  0x8000216f,
]

function job(profile: Pkcs11Profile, behaviour: FakeBehaviour = {}) {
  const fake = new FakeCryptoki({ mechanisms: everything, ...behaviour })
  const { cryptoki } = fake
  return {
    fake,
    session: { cryptoki, slot: handle(1), session: handle(2), profile, changedOutside: false },
  }
}

test('a device that takes our nonce gets GCM, and nothing of the trial stays', () => {
  const { fake, session } = job(softhsm)
  const findings = probeToken(session)
  expect(findings.aes).toEqual(softhsm.aes[0])
  expect(findings.wrapAlgorithms).toEqual({
    'ec-p256': 'ecies-p256-hkdf-sha256-aes-256-gcm',
    'rsa-2048': 'rsa-oaep-sha1',
    'rsa-3072': 'rsa-oaep-sha1',
    'aes-256': 'aes-256-gcm',
  })
  expect(fake.objectCount).toBe(0)
})

test('Luna in FIPS mode appends an IV of its own: not our form, so KWP is taken', () => {
  const mechanisms = [...everything, 0x80000171]
  const { session } = job(luna, { nonceRule: 'device-appended', mechanisms })
  expect(probeToken(session)).toMatchObject({
    aes: { algorithm: 'aes-256-kwp', mechanism: 0x80000171 },
    wrapAlgorithms: { 'aes-256': 'aes-256-kwp' },
  })
})

test('without a number of its own for KWP, Luna gets the standard one', () => {
  const { session } = job(luna, { nonceRule: 'device-appended' })
  expect(probeToken(session).aes).toMatchObject({ mechanism: CKM.aesKeyWrapKwp })
})

test('a device where no way works offers no AES', () => {
  const mechanisms = everything.filter((one) => one !== CKM.aesKeyWrapKwp)
  const findings = probeToken(job(luna, { nonceRule: 'device-appended', mechanisms }).session)
  expect([findings.aes, findings.kinds.includes('aes-256')]).toEqual([undefined, false])
})

test('the OAEP hash is the first that the device takes', () => {
  expect(probeToken(job(luna).session).wrapAlgorithms['rsa-3072']).toBe('rsa-oaep-sha256')
  const old = job(luna, { oaepHashes: [CKM.sha1] })
  expect(probeToken(old.session).wrapAlgorithms['rsa-3072']).toBe('rsa-oaep-sha1')
  expect(old.fake.objectCount).toBe(0)
  const none = job(luna, { oaepHashes: [] })
  expect(probeToken(none.session).kinds).not.toContain('rsa-3072')
})

describe('CloudHSM, which makes the nonce and puts it first', () => {
  const behaviour = { nonceRule: 'device-prepended', gcmMechanism: 0x80001087 } as const

  test('gets its own GCM', () => {
    const { session } = job(cloudhsm, behaviour)
    expect(probeToken(session)).toMatchObject({
      aes: { mechanism: 0x80001087, nonce: 'device-prepended' },
      wrapAlgorithms: { 'aes-256': 'aes-256-gcm' },
    })
  })

  test('its output is our stored form, and opens', () => {
    const { fake, session } = job(cloudhsm, behaviour)
    const key = fake.C_GenerateKey(handle(2), { mechanism: CKM.aesKeyGen }, [])
    const [how] = cloudhsm.aes
    if (!how) throw new Error('no way to wrap')
    const input = Buffer.alloc(32, 7)
    const associatedData = Buffer.from('context')
    const wrapped = wrapAes(session, { how, key, input, associatedData })
    expect(wrapped).toHaveLength(60)
    expect(unwrapAes(session, { how, key, input: wrapped, associatedData })).toEqual(input)
  })
})

test('a device that forbids session keys is believed by its profile', () => {
  const { session } = job(luna, { failures: { C_GenerateKey: [0xd1, 0xd1, 0xd1] } })
  expect(probeToken(session).aes).toEqual(luna.aes[0])
})

test('EC keys sign but do not wrap where the shared secret itself is not to be had', () => {
  const mechanisms = everything.filter((one) => one !== CKM.ecdh1Derive)
  const cases = [job(softhsm, { mechanisms }), job({ ...softhsm, rawEcdh: false })]
  for (const { session } of cases) {
    const { kinds, wrapAlgorithms } = probeToken(session)
    expect(kinds).toContain('ec-p256')
    expect(wrapAlgorithms['ec-p256']).toBeUndefined()
  }
})

test('what is not listed is not offered', () => {
  const without = (...gone: number[]) => everything.filter((one) => !gone.includes(one))
  const kinds = (mechanisms: number[]) => probeToken(job(softhsm, { mechanisms }).session).kinds
  expect(kinds(without(CKM.ecKeyPairGen))).not.toContain('ec-p256')
  expect(kinds(without(CKM.rsaPkcsOaep))).not.toContain('rsa-2048')
  expect(kinds(without(CKM.aesCmac))).not.toContain('cmac-aes-256')
  expect(kinds(without(CKM.sha256Hmac))).not.toContain('hmac-sha256')
  expect(kinds([])).toEqual([])
})

test('Luna gets its FIPS key generation where it is listed', () => {
  const mechanisms = [...everything, 0x80000143]
  expect(probeToken(job(luna, { mechanisms }).session).rsaKeyPairGen).toBe(0x80000143)
  expect(probeToken(job(luna).session).rsaKeyPairGen).toBe(0x0)
})
