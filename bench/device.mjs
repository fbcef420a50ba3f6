/**
 * Opens of Key HSM and a migration before a device that computes by itself: `device.c`, SoftHSM behind one engine of a
 * thousand calls a second. In the other layers SoftHSM computes on the processors that the services need; here what is missing to
 * the limit is the product's own.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { softhsmModule } from '../interop/lib/stack.mjs'
import { measureSealsAndOpens } from './keyhsm.mjs'
import { measureMigrations } from './migration.mjs'
import { RawLimit } from './lib/raw-limit.mjs'
import { makeToken } from './lib/token.mjs'
import { Services } from './lib/services.mjs'

const callUs = 1000
const kinds = ['rsa-2048', 'aes-256']

export const deviceLayer = {
  name: 'device',
  plannedMs: ({ lengths, concurrencies, limitMs, migrate }) =>
    kinds.length *
    (concurrencies.length * lengths.keyhsm + 2 * lengths.warm + 12 * limitMs + migrate * 4),

  /** @param {import('./lib/bench.mjs').Bench} bench */
  async run(bench) {
    const module = buildDevice(bench)
    if (module === undefined) return
    bench.begin('device: set up token', 2000)
    const raw = await RawLimit.start({ ...makeToken(bench.folder, 'device'), library: module })
    bench.onEnd(() => raw.close())
    await bench.besideLimit(raw, () => measureBefore(bench, module))
  },
}

async function measureBefore(bench, module) {
  const services = await Services.bringUp(bench, { module })
  for (const kind of kinds.filter((one) => bench.kinds.includes(one))) {
    const variant = { scope: 'service', kind }
    await services.use(variant)
    await measureSealsAndOpens(bench, services, variant, 'device')
  }
  await measureMigrations(bench, services, 'device')
}

/** The module's path, or undefined with a note when it cannot be built. */
function buildDevice(bench) {
  const module = join(bench.folder, 'device.so')
  const source = fileURLToPath(new URL('./device.c', import.meta.url))
  const constants = [`-DREAL="${softhsmModule}"`, `-DCALL_US=${callUs}`]
  const args = ['-shared', '-fPIC', '-O2', ...constants, '-o', module, source, '-ldl', '-lpthread']
  if (spawnSync('cc', args).status === 0) return module
  bench.notes.push('no figures before a device: device.c could not be built with `cc`')
  return undefined
}
