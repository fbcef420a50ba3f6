/** A home of Key HSM in a temporary directory, set up on a software token that costs nothing to log in to. */
import { type AddressInfo, createServer } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseRealm, SecretBytes, systemClock } from '@keyhsm/core'
import { initialiseSoftToken } from '@keyhsm/hsm'
import { KeyHsmClient, Transport } from '@keyhsm/client'
import { type KeyedCertificate, makeSelfSigned, type OpenLog, openLog } from '@keyhsm/service'
import { onTestFinished } from 'vitest'
import { quietLog } from '../src/commands/quiet-log.js'
import { readKeystore } from '../src/keystore.js'
import { type Paths, pathsIn } from '../src/paths.js'
import {
  type KeyHsmOptions,
  type RunningKeyHsm,
  startKeyHsm,
} from '../src/service/start-key-hsm.js'
import { type SetUpOptions, setUp } from '../src/setup/set-up.js'
import { addTrusted } from '../src/trust/trust-list.js'
import { parseCandidate } from '../src/trust/trusted-certificate.js'

export const testPin = 'marked-pin-7391'

export interface TestHome {
  readonly root: string
  readonly paths: Paths
  readonly tokenDirectory: string
}

export async function makeRoot(): Promise<TestHome> {
  const root = await mkdtemp(join(tmpdir(), 'khs-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  const tokenDirectory = join(root, 'token')
  return { root, paths: pathsIn(join(root, 'keyhsm')), tokenDirectory }
}

/** An empty software token in the home. */
export async function makeSoftToken({ tokenDirectory: directory }: TestHome): Promise<void> {
  await initialiseSoftToken({ directory, label: 'test', pin: testPin, scryptCost: 16 })
}

export function setUpOptions(
  { paths, tokenDirectory }: TestHome,
  { changes, ...more }: Partial<Omit<SetUpOptions, 'pin'>> & { pin?: string } = {},
): SetUpOptions {
  const settings = {
    'soft-token.directory': tokenDirectory,
    'keyhsm.server.port': '0',
    'keyhsm.management.port': '0',
    'keyhsm.service.port': '0',
  }
  return {
    paths,
    env: {},
    log: quietLog,
    clock: systemClock,
    hardware: 'soft-token',
    force: false,
    ...more,
    changes: { ...settings, ...changes },
    pin: SecretBytes.own(Buffer.from(more.pin ?? testPin)),
  }
}

/** A home that was set up. */
export async function makeHome(changes: Record<string, string> = {}): Promise<TestHome> {
  const home = await makeRoot()
  await makeSoftToken(home)
  await setUp(setUpOptions(home, { changes }))
  return home
}

export async function makeClientCertificate(commonName = 'trustee'): Promise<KeyedCertificate> {
  return await makeSelfSigned({ commonName, subjectAltNames: [], days: 1, usage: 'client' })
}

export async function trust({ paths }: TestHome, pem: string, realm = 'prod'): Promise<string> {
  const candidate = parseCandidate(pem, parseRealm(realm), systemClock.now())
  await addTrusted(paths.truststore, candidate)
  return candidate.fingerprint
}

/** The service of this home, stopped when the test ends. */
export async function startService(
  { paths }: TestHome,
  more: Pick<KeyHsmOptions, 'requestStop'> = {},
): Promise<RunningKeyHsm> {
  const log: OpenLog = openLog({ name: 'keyhsm', file: paths.logFile })
  const service = await startKeyHsm({ paths, env: {}, log, clock: systemClock, ...more })
  onTestFinished(async () => {
    await service.stop(1000)
    await log.close()
  })
  return service
}

/** A Trustee Server's connection. */
export async function connectClient(
  { paths }: TestHome,
  service: RunningKeyHsm,
  client?: KeyedCertificate,
): Promise<KeyHsmClient> {
  const keystore = await readKeystore(paths.keystore, {})
  const { host, port } = service.address
  const identity = client && { cert: client.certificate, key: client.privateKey }
  const tls = { ca: [keystore?.certificate ?? ''], ...identity }
  const transport = new Transport({ url: `https://${host}:${port}`, tls })
  onTestFinished(() => transport.close())
  return new KeyHsmClient(transport)
}

/** A port of this machine that nobody listens on. */
export async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
