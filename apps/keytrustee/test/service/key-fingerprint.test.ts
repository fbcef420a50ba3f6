import { execFile } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { formatKeyFingerprint } from '../../src/service/key-fingerprint.js'

const run = promisify(execFile)

async function selfSigned(...newkey: readonly string[]): Promise<X509Certificate> {
  const { stdout } = await run('openssl', [
    'req',
    '-x509',
    '-nodes',
    '-subj',
    '/CN=x',
    '-days',
    '1',
    '-keyout',
    '/dev/null',
    '-newkey',
    ...newkey,
  ])
  return new X509Certificate(stdout)
}

test.each([
  ['EC256', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']],
  ['EC384', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
  ['ED25519', ['ed25519']],
  ['2048R', ['rsa:2048']],
])('%s', async (name, newkey) => {
  const certificate = await selfSigned(...newkey)
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' })
  const hex = createHash('sha256').update(spki).digest('hex').toUpperCase()
  expect(formatKeyFingerprint(certificate)).toBe(`${name}/${hex}`)
})
