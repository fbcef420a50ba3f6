/**
 * The test server as a program: `npm run keysecure-test-server -- --port 9000 --tls`. It prints where it listens, with which
 * user, password and certificate, and ends with SIGINT or SIGTERM, or after `--seconds`.
 */
import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { makeCertificate } from './make-certificate.js'
import { NaeTestServer } from './nae-test-server.js'
import type { ApplianceSettings } from './settings.js'

const wrongSettings: Readonly<Record<string, Partial<ApplianceSettings>>> = {
  protocol: { protocol: 'kmip' },
  'key-operations': { keyOperations: false },
  'password-optional': { passwordAuthentication: 'optional' },
  'password-not-used': { passwordAuthentication: 'not-used' },
  'client-certificate': { clientCertificate: 'required' },
  'crypto-operations': { cryptoOperations: false },
}

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    nodes: { type: 'string', default: '1' },
    'replication-ms': { type: 'string', default: '500' },
    tls: { type: 'boolean', default: false },
    user: { type: 'string', default: 'keyhsm' },
    wrong: { type: 'string' },
    'facts-file': { type: 'string' },
    seconds: { type: 'string' },
  },
})

const settings = values.wrong === undefined ? {} : wrongSettings[values.wrong]
if (settings === undefined) {
  process.stderr.write(`--wrong must be one of ${Object.keys(wrongSettings).join(', ')}\n`)
  process.exit(2)
}
const password = process.env['KEYSECURE_TEST_PASSWORD'] ?? randomBytes(12).toString('hex')
const tls = values.tls ? makeCertificate() : undefined
const server = await NaeTestServer.start({
  port: Number(values.port),
  nodes: Number(values.nodes),
  replicationMs: Number(values['replication-ms']),
  users: [{ name: values.user, password, mayCreateKeys: true }],
  settings,
  ...(tls ? { tls } : {}),
})
const facts = {
  addresses: server.addresses.map(({ host, port }) => `${host}:${port}`),
  user: values.user,
  password,
  ...(tls ? { fingerprint: fingerprintOf(tls.certificate) } : {}),
  processId: process.pid,
}
process.stdout.write(`${JSON.stringify(facts, undefined, 2)}\n`)
if (values['facts-file'] !== undefined) {
  writeFileSync(values['facts-file'], JSON.stringify(facts), { mode: 0o600 })
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void server.close())
}
if (values.seconds !== undefined) {
  setTimeout(() => void server.close(), Number(values.seconds) * 1000).unref()
}

function fingerprintOf(pem: string): string {
  return createHash('sha256').update(new X509Certificate(pem).raw).digest('hex')
}
