import { execFileSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseCertificateRequest } from '../src/certificate-request.js'

let home: string
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'keyhsm-csr-'))
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

/** A request made by OpenSSL, which knows nothing of our code. */
function request(...newkey: string[]): { pem: string; publicKeyDer: Buffer } {
  const key = join(home, 'key.pem')
  const subject = ['-subj', '/CN=administrator/O=somebody else']
  const extension = ['-addext', 'basicConstraints=critical,CA:TRUE']
  const args = ['req', '-new', '-nodes', '-keyout', key, ...subject, ...extension, ...newkey]
  const pem = execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] }).toString()
  const publicKeyDer = createPublicKey(readFileSync(key)).export({ type: 'spki', format: 'der' })
  return { pem, publicKeyDer }
}

const ec = (curve: string) => ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${curve}`]
const rule = (text: string) => ({
  code: 'ERR_INVALID_INPUT',
  faults: [{ field: 'certificateRequest', rule: expect.stringContaining(text) }],
})

describe('parseCertificateRequest', () => {
  it.each([
    ['EC P-256', ec('P-256')],
    ['EC P-384', ec('P-384')],
    ['EC P-521', ec('P-521')],
    ['RSA', ['-newkey', 'rsa:2048']],
    ['Ed25519', ['-newkey', 'ed25519']],
  ])('takes the key of a request of OpenSSL: %s', async (_name, newkey) => {
    const { pem, publicKeyDer } = request(...newkey)
    expect(await parseCertificateRequest(pem)).toEqual({ publicKeyDer })
  })

  it('refuses a request whose signature is not by its key', async () => {
    const { pem } = request(...ec('P-256'))
    const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64')
    for (const at of [der.length - 1, 30]) {
      const forged = Buffer.from(der)
      forged[at] = (forged[at] ?? 0) ^ 1
      const text = `-----BEGIN CERTIFICATE REQUEST-----\n${forged.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
      await expect(parseCertificateRequest(text)).rejects.toMatchObject({
        code: 'ERR_INVALID_INPUT',
      })
    }
  })

  it('refuses weak keys, other things and long ones', async () => {
    await expect(parseCertificateRequest(request('-newkey', 'rsa:1024').pem)).rejects.toMatchObject(
      rule('2048 to 4096'),
    )
    await expect(parseCertificateRequest(request(...ec('secp256k1')).pem)).rejects.toMatchObject(
      rule('P-256'),
    )
    for (const text of [
      '',
      'garbage',
      '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n',
    ]) {
      await expect(parseCertificateRequest(text)).rejects.toMatchObject(rule('PKCS#10'))
    }
    await expect(parseCertificateRequest('A'.repeat(8193))).rejects.toMatchObject(
      rule('at most 8192'),
    )
  })
})
