/**
 * The demo's steps on the Hadoop KMS: a zone key, a data key, a roll, a restart of everything, and a version that is gone once its key in
 * the HSM is gone. `curl` speaks what Hadoop's clients speak.
 */
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Stop } from './say.mjs'

/** Shows all of it. @throws Stop naming what is not as it should be. */
export async function showKms(stack, title) {
  title('KMS 1. keytrustee-kms is a client of the Trustee Server')
  const kms = await startKms(stack)
  title('KMS 2. A zone key, and a data key encrypted with it, as a NameNode asks for them')
  await kms.curl('POST', '/keys', { name: 'zone', length: 256 })
  const [eek] = await kms.curl('GET', '/key/zone/_eek?eek_op=generate&num_keys=1')
  const first = await decrypt(kms, eek)
  title('KMS 3. A new version; everything stops and starts; what was encrypted before still opens')
  const rolled = await kms.curl('POST', '/key/zone', {})
  require(rolled.versionName === 'zone@1', 'the key was not rolled')
  const [newer] = await kms.curl('GET', '/key/zone/_eek?eek_op=generate&num_keys=1')
  await stack.stop()
  await stack.start()
  await stack.run('keytrustee-kms start')
  require((await decrypt(kms, eek)).material === first.material, 'another data key came back')
  console.log('  the same data key')
  title('KMS 4. The HSM key of version 0 is revoked: that version is refused, the new one opens')
  await stack.run(`keyhsm keys revoke ${await labelOfVersion(stack, 0)} --yes`)
  await kms.curl('POST', '/key/zone/_invalidatecache')
  const refused = await decrypt(kms, eek)
  require(/irretrievable/.test(refused.RemoteException?.message ?? ''), 'version 0 still opens')
  require(typeof (await decrypt(kms, newer)).material === 'string', 'version 1 does not open')
  await stack.run('keytrustee-kms audit verify')
}

async function startKms(stack) {
  const fingerprint = await stack.serverFingerprint()
  await stack.run(
    `keytrustee-kms init --server ${stack.url} --org demo --auth-file ${stack.authFile} --server-fingerprint ${fingerprint} --port 0`,
  )
  const home = join(stack.home, 'keytrustee-kms')
  appendFileSync(join(home, 'kms.properties'), 'keytrustee-kms.host=127.0.0.1\n')
  await stack.run('keytrustee-kms start')
  const address = async () => {
    const { stdout } = await stack.run('keytrustee-kms status --json', { quiet: true })
    return `https://localhost:${new URL(JSON.parse(stdout).address).port}/kms/v1`
  }
  return { stack, curl: (...request) => curl(stack, { home, address }, request) }
}

/** Bodies go by a file: on a command line everybody could read them. */
async function curl(stack, { home, address }, [method, path, body]) {
  const file = join(stack.home, 'request.json')
  if (body) writeFileSync(file, JSON.stringify(body), { mode: 0o600 })
  const data = body ? ` -d @${file}` : ''
  const separator = path.includes('?') ? '&' : '?'
  const url = `${await address()}${path}${separator}user.name=me`
  const { stdout } = await stack.run(
    `curl -sS --cacert ${home}/tls/kms.pem -X ${method}${data} '${url}'`,
  )
  return stdout === '' ? undefined : JSON.parse(stdout)
}

/** As an HDFS client does with what the NameNode gave it. */
function decrypt({ curl: ask }, { versionName, iv, encryptedKeyVersion: { material } }) {
  const path = `/keyversion/${encodeURIComponent(versionName)}/_eek?eek_op=decrypt`
  return ask('POST', path, { name: 'zone', iv, material })
}

async function labelOfVersion(stack, index) {
  const { stdout } = await stack.run('keyhsm keys list --json', { quiet: true })
  const pattern = new RegExp(`^kms\\.v\\.[a-z2-7]+\\.${index}-`)
  const key = JSON.parse(stdout).find(({ label }) => pattern.test(label))
  require(key, `the HSM has no key for version ${index}`)
  return key.label
}

function require(holds, what) {
  if (!holds) throw new Stop(`demo: ${what}`)
}
