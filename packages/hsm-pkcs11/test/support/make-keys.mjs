/**
 * A service that makes, uses and (every second one) destroys keys on the SoftHSM token with this label, several at a time.
 * Reports `{ made, failures }` when done, or at once a first sign of life when there are too many to wait for.
 */
import { randomBytes } from 'node:crypto'
import { SecretBytes } from '@keyhsm/core'
import { connectPkcs11 } from '@keyhsm/hsm-pkcs11'

const [label, count] = process.argv.slice(2)
const pin = SecretBytes.own(Buffer.from(process.env.PIN_FOR_TEST ?? ''))
const hsm = await connectPkcs11({ profile: 'softhsm', token: { label }, pin })
const binding = Buffer.from('b')
const failures = []
let made = 0

async function makeOne(number) {
  const id = randomBytes(16).toString('hex')
  try {
    await hsm.createKey({ id, label: `made-${number}`, kind: 'ec-p256', use: 'wrap' })
    const wrapped = await hsm.wrapKey(id, SecretBytes.random(32), binding)
    await hsm.unwrapKey(id, wrapped, binding)
    if (number % 2 === 1) await hsm.destroyKey(id)
    made += 1
  } catch (error) {
    failures.push(`${error.code} ${error.message} ${error.cause?.message ?? ''}`)
  }
}

if (Number(count) > 100) process.send?.('busy')
for (let number = 0; number < Number(count); number += 4) {
  await Promise.all([0, 1, 2, 3].map((more) => makeOne(number + more)))
}
await hsm.close()
process.send?.({ made, failures }, () => process.exit(0))
