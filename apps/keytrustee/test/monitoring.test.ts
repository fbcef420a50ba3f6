import { createServer, type AddressInfo } from 'node:net'
import { readFile, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { readLogging } from '../src/logging.js'
import { startTestServer } from './support/running-server.js'

async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => {
    server.close(resolve)
  })
  return port
}

test('metrics and health on an address of their own; the audit is copied to the log', async () => {
  const port = await findFreePort()
  const at = await startTestServer({
    settings: [`keytrustee.monitoring.port=${port}`, 'keytrustee.sealing=pass-through'],
  })
  const get = async (path: string) => {
    const reply = await fetch(`http://127.0.0.1:${port}${path}`)
    return { status: reply.status, text: await reply.text() }
  }
  expect(await get('/health/ready')).toEqual({
    status: 200,
    text: '{"status":"ready","parts":{"audit":"ready"}}\n',
  })
  expect(await get('/health/deep')).toMatchObject({
    status: 200,
    text: expect.stringContaining('"database":"ready"'),
  })
  const { text } = await get('/metrics')
  const page = await readFile(
    new URL('../../../docs/operations/metrics.md', import.meta.url),
    'utf8',
  )
  const documented = [...page.matchAll(/^\| `(keytrustee_(?!kms_)\w+)`/gm)].map(([, name]) => name)
  const exported = [...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name ?? '')
  const ours = exported.filter((name) => !/^keytrustee_(process|nodejs)_/.test(name))
  expect(ours.sort()).toEqual(documented.sort())
  expect(text).toMatch(/^keytrustee_part_healthy\{part="database"\} 1$/m)
  const kinds = [
    ...text.matchAll(/^keytrustee_certificate_expires_\w+\{certificate="(.*)"\} \d+$/gm),
  ]
  expect(kinds.map(([, kind]) => kind)).toEqual(['server', 'client-authority', 'shown-to-key-hsm'])
  expect((await get('/v1/status')).status).toBe(404)
  expect(await readFile(at.paths.logFile, 'utf8')).toMatch(/ INFO keytrustee\.audit: start note /)
})

test('conf/logback.xml of the server: made, read, obeyed; settings win; faults are told with their place', async () => {
  const { paths } = await startTestServer()
  const { configuration } = await readLogging(paths, {
    logLevel: 'warn',
    logBytes: undefined,
    logFiles: undefined,
  })
  expect(configuration).toMatchObject({
    appenders: [{ file: paths.logFile, window: { maxIndex: 10 } }],
    root: { level: 'warn' },
  })
  const text = await readFile(paths.logback, 'utf8')
  await writeFile(paths.logback, text.replace('SizeBased', 'TimeBased'))
  const settings = { logLevel: undefined, logBytes: undefined, logFiles: undefined }
  await expect(readLogging(paths, settings)).rejects.toThrow(
    /logback\.xml@14:\d+ - cannot make component \[triggeringPolicy\]/,
  )
})
