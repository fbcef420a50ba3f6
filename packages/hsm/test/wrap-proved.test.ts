import { type HsmKeyId, SecretBytes } from '@keyhsm/core'
import { expect, it } from 'vitest'
import type { Hsm, WrappedKey } from '../src/hsm.js'
import { type ProvingHsm, wrapProved } from '../src/wrap-proved.js'

const id = '00'.repeat(16) as HsmKeyId
const wrapped: WrappedKey = { algorithm: 'aes-256-gcm', bytes: Buffer.from('wrapped') }
const sent = Buffer.alloc(32, 7)

/** A backend that gives `back` for whatever it wrapped, and notes what it is asked. */
function backend(back: Buffer, more: Partial<ProvingHsm> = {}) {
  const given = SecretBytes.own(Buffer.from(back))
  const asked: string[] = []
  const wrapKey = () => {
    asked.push('wrap')
    return Promise.resolve(wrapped)
  }
  const unwrapKey = () => {
    asked.push('unwrap')
    return Promise.resolve(given)
  }
  return { hsm: { wrapKey, unwrapKey, ...more } as unknown as Hsm, asked, given }
}

const prove = (hsm: Hsm) =>
  wrapProved(hsm, { id, contentKey: SecretBytes.own(Buffer.from(sent)), binding: Buffer.alloc(0) })

it('returns what the device gives back, and wipes what it gave', async () => {
  const { hsm, asked, given } = backend(sent)
  await expect(prove(hsm)).resolves.toBe(wrapped)
  expect(asked).toEqual(['wrap', 'unwrap'])
  expect(() => given.expose(() => 0)).toThrow('wiped')
})

it.each([
  ['another key', Buffer.alloc(32, 8)],
  ['a part of it', sent.subarray(1)],
])('refuses when the device gives back %s, and wipes that too', async (_what, back) => {
  const { hsm, given } = backend(back)
  await expect(prove(hsm)).rejects.toMatchObject({ code: 'ERR_HSM_REFUSED' })
  expect(() => given.expose(() => 0)).toThrow('wiped')
})

it('asks a backend that does both in one call once', async () => {
  const { hsm, asked } = backend(sent, { wrapProvedKey: () => Promise.resolve(wrapped) })
  await expect(prove(hsm)).resolves.toBe(wrapped)
  expect(asked).toEqual([])
})
