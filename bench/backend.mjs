/**
 * The backend alone: the `Hsm` of @keyhsm/hsm-pkcs11 with its host process and threads, called from this process on a
 * token of its own. What is lost here against the raw calls is the way to the threads and back.
 */
import { randomBytes } from 'node:crypto'
import { SecretBytes } from '@keyhsm/core'
import { connectPkcs11 } from '@keyhsm/hsm-pkcs11'
import { measureBlock } from './lib/block.mjs'
import { family } from './lib/processes.mjs'
import { makeToken } from './lib/token.mjs'

const unwrapLimits = {
  'ec-p256': 'ec-p256 derive',
  'rsa-2048': 'rsa-2048 decrypt',
  'aes-256': 'aes-256 decrypt',
}
/** EC wraps in software; its limit would not be one of the device. */
const wrapLimits = { 'rsa-2048': 'rsa-2048 encrypt', 'aes-256': 'aes-256 encrypt' }

export const backendLayer = {
  name: 'backend',
  plannedMs: ({ lengths, kinds, concurrencies, limitMs }) =>
    (2 * kinds.length + 1) * (concurrencies.length * lengths.backend + lengths.warm + 4 * limitMs),

  /** @param {import('./lib/bench.mjs').Bench} bench */
  async run(bench) {
    const { env, label, library, pin } = makeToken(bench.folder, 'backend')
    const hsm = await connectPkcs11({
      profile: 'softhsm',
      library,
      token: { label },
      pin: SecretBytes.own(Buffer.from(pin)),
      env,
    })
    bench.onEnd(() => hsm.close())
    const roles = {
      client: () => [process.pid],
      host: (tree) => family(hsm.hostProcessId, tree),
    }
    const common = { layer: 'backend', scope: '-', forMs: bench.lengths.backend, roles }
    for (const kind of bench.kinds) await measureKind(bench, { ...common, kind }, hsm)
    await measureBlock(bench, {
      ...common,
      kind: 'ec-p256',
      operation: 'create',
      limit: 'ec-p256 generate',
      step: () => hsm.createKey(specOf('ec-p256')),
    })
    await hsm.close()
  },
}

async function measureKind(bench, common, hsm) {
  const key = await hsm.createKey(specOf(common.kind))
  const contentKey = SecretBytes.random(32)
  const binding = randomBytes(200)
  const wrapped = await hsm.wrapKey(key.id, contentKey, binding)
  await measureBlock(bench, {
    ...common,
    operation: 'wrap',
    limit: wrapLimits[common.kind],
    step: () => hsm.wrapKey(key.id, contentKey, binding),
  })
  await measureBlock(bench, {
    ...common,
    operation: 'unwrap',
    limit: unwrapLimits[common.kind],
    step: async () => {
      const secret = await hsm.unwrapKey(key.id, wrapped, binding)
      secret.wipe()
    },
  })
}

function specOf(kind) {
  return { id: randomBytes(16).toString('hex'), label: 'bench', kind, use: 'wrap' }
}
