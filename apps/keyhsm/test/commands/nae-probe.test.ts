/** `keyhsm nae-probe` against the test server: needs no home, leaves nothing, shows nothing secret. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { runProgram } from '@keyhsm/command-line'
import {
  makeCertificate,
  NaeTestServer,
  type NaeTestServerOptions,
} from '@keyhsm/hsm-nae/test-server'
import { expect, onTestFinished, test } from 'vitest'
import { program } from '../../src/program.js'

const password = 'marked-password'

async function start(options: Partial<NaeTestServerOptions> = {}) {
  const user = { name: 'keyhsm', password, mayCreateKeys: true }
  const server = await NaeTestServer.start({
    users: [user],
    behaviour: { rsaPairs: 1 },
    ...options,
  })
  onTestFinished(() => server.close())
  const [{ host, port } = { host: '', port: 0 }] = server.addresses
  return { server, address: `${host}:${port}` }
}

function collect() {
  const stream = new PassThrough()
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return { stream, text: () => Buffer.concat(chunks).toString() }
}

async function probe(order: string[], env: Record<string, string> = {}) {
  const home = mkdtempSync(join(tmpdir(), 'nae-probe-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  const file = join(home, 'password')
  writeFileSync(file, `${password}\n`, { mode: 0o600 })
  const [stdout, stderr] = [collect(), collect()]
  const { user: _user, ...here } = program
  const secret = Object.keys(env).length > 0 ? [] : ['--password-file', file]
  const all = ['nae-probe', ...order, '--user', 'keyhsm', ...secret, '--home', home]
  const io = { stdin: Readable.from([]), stdout: stdout.stream, stderr: stderr.stream, env }
  const status = await runProgram(here, all, { ...io, isTerminal: false })
  const ran = { status, stdout: stdout.text(), stderr: stderr.text() }
  expect(ran.stdout + ran.stderr).not.toContain(password)
  expect(readdirSync(home)).toEqual(['password'])
  return ran
}

test('one session, redacted, with what the appliance can do', async () => {
  const { server, address } = await start()
  const { status, stdout, stderr } = await probe([address, '--no-ssl'])
  expect(stderr).toContain('the appliance can do: aes-256, rsa-2048, rsa-3072')
  expect(status).toBe(0)
  expect(stdout).toContain('→ <VersionRequest>')
  expect(stdout).toContain('<Passwd>[password]</Passwd>')
  expect(server.store.view(0).size).toBe(0)
})

test('without a person the certificate must be named; nothing is sent before', async () => {
  const { server, address } = await start({ tls: makeCertificate() })
  const unsure = await probe([address])
  expect(unsure.status).toBe(77)
  expect(unsure.stderr).toContain('self-signed')
  expect(server.loginAttempts).toBe(0)
  const shown = /certificate ([0-9a-f]{64})/.exec(unsure.stderr)?.[1] ?? ''
  const colons = shown.toUpperCase().replaceAll(/(..)(?=.)/g, '$1:')
  const sure = await probe([address, '--server-fingerprint', colons, '--json'], {
    KEYHSM_PIN: password,
  })
  expect(sure.status).toBe(0)
  expect(JSON.parse(sure.stdout)).toMatchObject({ faults: [], failures: [], version: '7.0' })
  const wrong = await probe([address, '--server-fingerprint', 'ab'.repeat(32)])
  expect(wrong.status).toBe(1)
  expect(wrong.stderr).toContain(shown)
})

test('a wrong setting is named with its remedy', async () => {
  const { address } = await start({ settings: { keyOperations: false } })
  const { status, stderr } = await probe([address, '--no-ssl'])
  expect(status).toBe(1)
  expect(stderr).toContain('set Allow Key and Policy Configuration Operations to enabled')
})

test.each([
  [['a b', '--no-ssl'], 'address must be HOST or HOST:PORT'],
  [['host:99999'], 'address must be HOST or HOST:PORT'],
  [['host', '--server-fingerprint', '12'], '--server-fingerprint must be 64 hex digits'],
  [['host', '--no-ssl', '--dialect', 'x=y'], '--dialect "x" is no name of the dialect'],
])('bad input is refused: %j', async (order, text) => {
  const { status, stderr } = await probe(order)
  expect(stderr).toContain(text)
  expect([2, 78]).toContain(status)
})
