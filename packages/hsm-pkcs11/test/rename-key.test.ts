/** Renaming on SoftHSM: the label changes on both halves and for every process, nothing else does. */
import { randomBytes } from 'node:crypto'
import { type HsmKeyId, SecretBytes } from '@keyhsm/core'
import { canRename, type HsmKey } from '@keyhsm/hsm'
import { connectPkcs11, type Pkcs11Hsm, pkcs11Profiles } from '@keyhsm/hsm-pkcs11'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SofthsmToken } from './support/softhsm-token.js'

let token: SofthsmToken
let hsm: Pkcs11Hsm

beforeAll(async () => {
  token = await SofthsmToken.make()
  hsm = await connectPkcs11(token.options())
})

afterAll(async () => {
  await hsm.close()
  await token.dispose()
})

function make(renamable: boolean, kind: 'ec-p256' | 'aes-256' = 'ec-p256'): Promise<HsmKey> {
  const id = randomBytes(16).toString('hex') as HsmKeyId
  const spec = { id, label: 'before', kind, use: 'wrap', renamable } as const
  return hsm.createKey(spec, { background: true })
}

test.each(['ec-p256', 'aes-256'] as const)(
  'a renamable %s key gets another label',
  async (kind) => {
    const key = await make(true, kind)
    const secret = SecretBytes.random(32)
    const wrapped = await hsm.wrapKey(key.id, secret, Buffer.from('b'))
    expect(canRename(hsm)).toBe(true)
    expect(await hsm.renameKey(key.id, 'after')).toEqual({ ...key, label: 'after' })
    const opened = await hsm.unwrapKey(key.id, wrapped, Buffer.from('b'))
    expect(opened.expose((a) => secret.expose((b) => a.equals(b)))).toBe(true)
    const other = await connectPkcs11(token.options())
    expect((await other.findKey(key.id))?.label).toBe('after')
    await other.close()
    const lines = (await token.tool('--list-objects')).split('\n')
    expect(lines.filter((line) => line.includes('label:') && line.includes('before'))).toEqual([])
  },
)

test('a key that was not made so is refused and keeps its label', async () => {
  const key = await make(false)
  await expect(hsm.renameKey(key.id, 'after')).rejects.toMatchObject({ code: 'ERR_HSM_REFUSED' })
  expect((await hsm.findKey(key.id))?.label).toBe('before')
  await hsm.destroyKey(key.id)
})

test('a key that is not there is not found, a bad label not taken', async () => {
  const id = randomBytes(16).toString('hex') as HsmKeyId
  await expect(hsm.renameKey(id, 'after')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  await expect(hsm.renameKey(id, 'a b')).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
})

test('CloudHSM does not rename', () => {
  expect(pkcs11Profiles.cloudhsm.renames).toBe(false)
})
