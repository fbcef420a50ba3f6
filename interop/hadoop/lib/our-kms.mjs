/** `keytrustee-kms` on a stack: real Trustee Server, Key HSM and SoftHSM behind it. */
import { appendFileSync, chmodSync, copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Stack } from '../../lib/stack.mjs'
import { freePort } from '../../lib/ports.mjs'
import { folder } from './java.mjs'

/** Settings for comparing with the original, which speaks plain HTTP and shows raw material. */
const comparable = ['keytrustee-kms.tls=off', 'keytrustee-kms.material.export=true']

/** Brings everything up; `url` is the base of the API. `settings` are lines of kms.properties that fit the `scheme`. */
export async function startOurKms({
  settings = comparable,
  scheme = 'http',
  site = 'conf/kms-site.xml',
} = {}) {
  const stack = await Stack.create()
  try {
    await stack.bringUp()
    const port = await freePort()
    const fingerprint = await stack.serverFingerprint()
    await stack.run(
      `keytrustee-kms init --server ${stack.url} --org demo --auth-file ${stack.authFile} --server-fingerprint ${fingerprint} --port ${port}`,
    )
    const home = join(stack.home, 'keytrustee-kms')
    configure(home, { settings, site })
    await stack.run('keytrustee-kms start')
    let removed
    const stop = () => (removed ??= stack.remove())
    return { stack, home, port, url: urlOf(scheme, port), stop }
  } catch (error) {
    await stack.remove()
    throw error
  }
}

/** Another instance of the same KMS, on a port of its own. It ends before `first` does. */
export async function startSecondKms(first, { settings, scheme }) {
  const { stack } = first
  const base = join(stack.home, 'second')
  const port = await freePort()
  const bundle = join(first.home, 'bundle')
  await stack.run(`keytrustee-kms identity --output ${bundle}`)
  mkdirSync(base, { mode: 0o755 })
  await stack.run(`keytrustee-kms --home ${base} init --join ${bundle} --port ${port}`)
  const home = join(base, 'keytrustee-kms')
  configure(home, { settings, site: 'conf/kms-site.xml' })
  await stack.run(`keytrustee-kms --home ${base} start`)
  let ended
  const stop = () =>
    (ended ??= stack.run(`keytrustee-kms --home ${base} stop`, { exit: 'any', quiet: true }))
  return { stack, home, port, url: urlOf(scheme, port), stop }
}

function configure(home, { settings, site }) {
  appendFileSync(join(home, 'kms.properties'), `${settings.join('\n')}\n`)
  place(join(folder, site), join(home, 'conf/kms-site.xml'))
  place(join(folder, 'conf/kms-acls.xml'), join(home, 'conf/kms-acls.xml'))
}

function urlOf(scheme, port) {
  return `${scheme}://${scheme === 'https' ? 'localhost' : '127.0.0.1'}:${port}/kms`
}

/** Over a file that is there, so that its owner stays. */
function place(from, to) {
  copyFileSync(from, to)
  chmodSync(to, 0o640)
}
