import { parseRealm, SecretBytes } from '@keyhsm/core'
import { formatWrapBinding, parseSealed } from '@keyhsm/envelope'
import { findWrapAlgorithm } from '@keyhsm/hsm'
import { expect, it } from 'vitest'
import { sealDeposit } from '../../src/operations/seal-deposit.js'
import { verifySealed } from '../../src/operations/verify-sealed.js'
import { caller, makeWorkshop, newContext, sealRequest } from '../workshop.js'

const text = 'a secret'

/** A form that was sealed, and what the device has shown of it. */
async function makeForm() {
  const workshop = await makeWorkshop()
  const { partition } = workshop
  const request = sealRequest(workshop, text)
  const { context } = request
  const { sealed: form } = await sealDeposit(workshop, caller, request)
  const { header } = parseSealed(form)
  const algorithm = findWrapAlgorithm(header.wrapAlgorithm)
  if (!algorithm) throw new Error('the form names no known algorithm')
  const wrapped = { algorithm, bytes: header.wrappedKey }
  const binding = formatWrapBinding(header, context)
  const contentKey = await partition.hsm.unwrapKey(header.hsmKeyId, wrapped, binding)
  const place = { partition, caller, context }
  return { place, form, contentKey, wrapped, binding, content: Buffer.from(text) }
}

type Made = Awaited<ReturnType<typeof makeForm>>

const verify = ({ place, form, ...proved }: Made) => verifySealed(place, form, proved)

const flipped = (bytes: Buffer) =>
  Buffer.from(bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte)))

it('passes a form that gives back the content', async () => {
  const made = await makeForm()
  expect(() => verify(made)).not.toThrow()
})

it.each<[string, (made: Made) => Partial<Made>]>([
  ['holds another content', () => ({ content: Buffer.from('a secreT') })],
  ['holds a longer content', () => ({ content: Buffer.from('a secre') })],
  ['is damaged', ({ form }) => ({ form: flipped(form) })],
  ['does not end', ({ form }) => ({ form: form.subarray(0, -1) })],
  ['is sealed for another place', ({ place }) => ({ place: { ...place, context: newContext() } })],
  [
    'is sealed for another realm',
    ({ place }) => ({ place: { ...place, caller: { ...caller, realm: parseRealm('other') } } }),
  ],
  ['was sealed by another content key', () => ({ contentKey: SecretBytes.random(32) })],
  [
    'holds a wrapped key that was not proved',
    ({ wrapped }) => ({ wrapped: { ...wrapped, bytes: flipped(wrapped.bytes) } }),
  ],
  [
    'names an algorithm that was not proved',
    ({ wrapped }) => ({ wrapped: { ...wrapped, algorithm: 'aes-256-kwp' } }),
  ],
  ['is bound to what was not proved', ({ binding }) => ({ binding: flipped(binding) })],
])('refuses a form that %s', async (_what, change) => {
  const made = await makeForm()
  expect(() => verify({ ...made, ...change(made) })).toThrow(
    expect.objectContaining({ code: 'ERR_HSM_REFUSED' }),
  )
})
