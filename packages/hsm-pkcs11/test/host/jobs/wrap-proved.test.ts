/** The proof of a wrap against a device that gives back something else. */
import { describe, expect, it } from 'vitest'
import type { Cryptoki } from '../../../src/cryptoki.js'
import type { JobSession } from '../../../src/host/jobs/job-session.js'
import { encryptProvedOaep, wrapProvedAes } from '../../../src/host/jobs/wrap-proved.js'
import { pkcs11Profiles } from '../../../src/profiles.js'
import { handle } from '../../support/fake-cryptoki.js'

const input = Buffer.alloc(32, 7)

/** A device that wraps to zeros and gives `back` for them. */
function device(back: Buffer) {
  const keys: Buffer[] = []
  const begin = (_session: unknown, _mechanism: unknown, key: Buffer) => void keys.push(key)
  const cryptoki = {
    C_EncryptInit: begin,
    C_Encrypt: () => Buffer.alloc(48),
    C_DecryptInit: begin,
    C_Decrypt: () => back,
  } as unknown as Cryptoki
  const [slot, session] = [handle(1), handle(2)]
  const job: JobSession = {
    cryptoki,
    slot,
    session,
    profile: pkcs11Profiles.softhsm,
    changedOutside: false,
  }
  return { job, keys }
}

const [publicKey, privateKey] = [handle(3), handle(4)]
const ways = [
  [
    'RSA',
    (job: JobSession) =>
      encryptProvedOaep(job, { algorithm: 'rsa-oaep-sha1', key: publicKey, privateKey, input }),
    [publicKey, privateKey],
  ],
  [
    'AES',
    (job: JobSession) => {
      const how = { algorithm: 'aes-256-gcm', mechanism: 0x1087, nonce: 'caller' } as const
      const associatedData = Buffer.alloc(8)
      return wrapProvedAes(job, { how, key: privateKey, input, associatedData })
    },
    [privateKey, privateKey],
  ],
] as const

describe.each(ways)('a wrap by %s with its proof', (_name, wrap, asked) => {
  it('is returned when the key comes back, and that is wiped', () => {
    const back = Buffer.from(input)
    const { job, keys } = device(back)
    expect(wrap(job).length).toBeGreaterThan(0)
    expect(keys).toEqual(asked)
    expect(back).toEqual(Buffer.alloc(32))
  })

  it.each([
    ['another key', Buffer.alloc(32, 8)],
    ['more than it', Buffer.alloc(33, 7)],
    ['nothing', Buffer.alloc(0)],
  ])('is refused when the device gives back %s, and that is wiped', (_what, back) => {
    const { job } = device(back)
    expect(() => wrap(job)).toThrow(expect.objectContaining({ code: 'ERR_HSM_REFUSED' }))
    expect(back.every((byte) => byte === 0)).toBe(true)
  })
})
