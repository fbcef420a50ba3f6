/** A driver on a test server of its own; both are closed after the test. */
import { randomBytes, X509Certificate } from 'node:crypto'
import { type HsmKeyId, SecretBytes } from '@keyhsm/core'
import type { HsmKey, KeyKind, KeySpec, KeyUse } from '@keyhsm/hsm'
import { onTestFinished } from 'vitest'
import { connectNae } from '../../src/connect.js'
import { fingerprintOf } from '../../src/connection/connect-socket.js'
import type { NaeHsm } from '../../src/nae-hsm.js'
import type { NaeOptions, NaeTimers } from '../../src/options.js'
import { NaeTestServer, type NaeTestServerOptions } from '../../src/test-server/index.js'
import { testTimers, testUser } from './under-test.js'

export interface Opened {
  readonly server: NaeTestServer
  readonly hsm: NaeHsm
  /** Another driver on the same server. */
  readonly open: (options?: DriverOptions) => Promise<NaeHsm>
  readonly logged: string[]
}

export type DriverOptions = Partial<Omit<NaeOptions, 'timers' | 'password'>> & {
  readonly timers?: Partial<NaeTimers>
  readonly password?: string
}

export async function startServer(options: Partial<NaeTestServerOptions> = {}) {
  const server = await NaeTestServer.start({
    users: [testUser],
    ...options,
    behaviour: { rsaPairs: 2, ...options.behaviour },
  })
  onTestFinished(() => server.close())
  return server
}

export async function openOn(
  server: NaeTestServer,
  { password = testUser.password, timers, ...options }: DriverOptions = {},
  logged: string[] = [],
): Promise<NaeHsm> {
  const note = (_facts: object, message: string) => void logged.push(message)
  const hsm = await connectNae({
    nodes: server.addresses,
    user: testUser.name,
    log: { debug: note, info: note, warn: note, error: note },
    ...options,
    timers: { ...testTimers, ...timers },
    password: SecretBytes.own(Buffer.from(password)),
  })
  onTestFinished(() => hsm.close())
  return hsm
}

export async function openHsm(
  server: Partial<NaeTestServerOptions> = {},
  options: DriverOptions = {},
): Promise<Opened> {
  const logged: string[] = []
  const started = await startServer(server)
  const tls = server.tls && {
    tls: { pinned: [fingerprintOf(new X509Certificate(server.tls.certificate))] },
  }
  const all = { ...tls, ...options }
  const hsm = await openOn(started, all, logged)
  const open = (more: DriverOptions = {}) => openOn(started, { ...all, ...more }, logged)
  return { server: started, hsm, open, logged }
}

export function newSpec(kind: KeyKind = 'aes-256', use: KeyUse = 'wrap'): KeySpec {
  const id = randomBytes(16).toString('hex') as HsmKeyId
  return { id, label: `key1-3T17-${id.slice(0, 4)}-2015-07-23`, kind, use }
}

/** Wraps a fresh content key; `opens` tells whether it comes back now. */
export async function wrapSample(hsm: NaeHsm, key: HsmKey) {
  const binding = Buffer.from('header and context')
  const contentKey = SecretBytes.random(32)
  const wrapped = await hsm.wrapKey(key.id, contentKey, binding)
  const opens = async (by: NaeHsm = hsm): Promise<boolean> => {
    const opened = await by.unwrapKey(key.id, wrapped, binding)
    return opened.expose((a) => contentKey.expose((b) => a.equals(b)))
  }
  return { wrapped, binding, opens }
}
