/** `keytrustee-kms` on a stack: real Trustee Server, Key HSM and SoftHSM behind it. */
import { appendFileSync, chmodSync, copyFileSync } from 'node:fs'
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
    appendFileSync(join(home, 'kms.properties'), `${settings.join('\n')}\n`)
    place(join(folder, site), join(home, 'conf/kms-site.xml'))
    place(join(folder, 'conf/kms-acls.xml'), join(home, 'conf/kms-acls.xml'))
    await stack.run('keytrustee-kms start')
    const host = scheme === 'https' ? 'localhost' : '127.0.0.1'
    const url = `${scheme}://${host}:${port}/kms`
    let removed
    const stop = () => (removed ??= stack.remove())
    return { stack, home, port, url, stop }
  } catch (error) {
    await stack.remove()
    throw error
  }
}

/** Over a file that is there, so that its owner stays. */
function place(from, to) {
  copyFileSync(from, to)
  chmodSync(to, 0o640)
}
