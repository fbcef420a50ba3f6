/** One process among several on one token: makes, uses and destroys keys, and reports what went wrong. */
import { randomBytes } from 'node:crypto'
import { SecretBytes } from '@keyhsm/core'
import { connectSoftToken } from '@keyhsm/hsm'

process.once('message', async ({ directory, pin, sharedIds }) => {
  const hsm = await connectSoftToken({ directory, pin })
  const result = { won: [], kept: [], faults: [] }
  const binding = Buffer.from('binding')
  const create = (id) => hsm.createKey({ id, label: 'worker', kind: 'ec-p256', use: 'wrap' })
  const attempt = async (what, work) => {
    try {
      await work()
    } catch (error) {
      result.faults.push(`${what}: ${error.code} ${error.message}`)
    }
  }
  for (const id of sharedIds) {
    await create(id).then(
      () => result.won.push(id),
      (error) => error.code === 'ERR_ALREADY_EXISTS' || result.faults.push(String(error)),
    )
    await attempt('use of a shared key', async () => {
      const contentKey = SecretBytes.random(32)
      const wrapped = await hsm.wrapKey(id, contentKey, binding)
      const opened = await hsm.unwrapKey(id, wrapped, binding)
      if (!opened.expose((a) => contentKey.expose((b) => a.equals(b)))) throw new Error('wrong key')
    })
    await attempt('a key that stays', async () => {
      result.kept.push((await create(randomBytes(16).toString('hex'))).id)
    })
    await attempt('a key that goes', async () => {
      const { id: gone } = await create(randomBytes(16).toString('hex'))
      if ((await hsm.destroyKey(gone)) !== 'destroyed') throw new Error('not destroyed')
    })
  }
  await hsm.close()
  process.send(result, () => process.disconnect())
})
