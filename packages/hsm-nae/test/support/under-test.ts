/** A test server with every hook of the contract, done to it from outside the driver. */
import { X509Certificate } from 'node:crypto'
import { SecretBytes } from '@keyhsm/core'
import { conformanceCases, type HsmUnderTest } from '@keyhsm/hsm/conformance'
import { connectNae } from '../../src/connect.js'
import { fingerprintOf } from '../../src/connection/connect-socket.js'
import { toKeyName } from '../../src/keys/key-names.js'
import type { NaeOptions } from '../../src/options.js'
import {
  makeCertificate,
  NaeTestServer,
  type NaeTestServerOptions,
} from '../../src/test-server/index.js'

export const testUser = {
  name: 'keyhsm',
  password: 'marked-password & <markup>',
  mayCreateKeys: true,
}
const wrong = 'marked-wrong-password'

/** Short ones, so that a test does not wait for what an operator would. */
export const testTimers = {
  connectMs: 2000,
  readMs: 2000,
  keyGenMs: 20_000,
  asideMs: 200,
  affinityMs: 2000,
  secondLookMs: 20,
}

const noEcdh = 'the appliance has no ECDH that gives the shared secret itself: EC keys only sign'
const signingCases: ReadonlySet<string> = new Set([
  'a signature verifies / ec-p256',
  'a signing key neither wraps nor authenticates / ec-p256',
])
const wrappingByEc = conformanceCases
  .filter(({ kind, name }) => kind === 'ec-p256' && !signingCases.has(name))
  .map(({ name }) => [name, noEcdh] as const)

export interface UnderTestOptions {
  readonly server?: Partial<NaeTestServerOptions>
  readonly tls?: boolean
  readonly driver?: Partial<NaeOptions>
}

export async function naeUnderTest(
  options: UnderTestOptions = {},
): Promise<HsmUnderTest & { server: NaeTestServer }> {
  const identity = options.tls ? makeCertificate() : undefined
  const server = await NaeTestServer.start({
    users: [testUser],
    ...(identity ? { tls: identity } : {}),
    ...options.server,
    behaviour: { rsaPairs: 8, ...options.server?.behaviour },
  })
  const pinned = identity && [fingerprintOf(new X509Certificate(identity.certificate))]
  const connectAs = (password: string) =>
    connectNae({
      nodes: server.addresses,
      user: testUser.name,
      timers: testTimers,
      ...(pinned ? { tls: { pinned } } : {}),
      ...options.driver,
      password: SecretBytes.own(Buffer.from(password)),
    })
  const connect = () => connectAs(testUser.password)
  const nodes = server.addresses.map((_, at) => at)
  return {
    server,
    connect,
    secrets: [testUser.password, wrong],
    connectSecond: connect,
    removeOutside: async (id) => server.store.setEverywhere(toKeyName(id), undefined),
    existsOutside: async (id) => server.find(toKeyName(id)) !== undefined,
    loseSession: async () => {
      server.dropLogins()
      return async () => undefined
    },
    breakConnection: async () => {
      for (const node of nodes) await server.down(node)
      return async () => {
        for (const node of nodes) await server.up(node)
      }
    },
    stall: async () => {
      server.stall()
      return async () => server.resume()
    },
    wrongPin: () => {
      const before = server.loginAttempts
      return {
        connect: () => connectAs(wrong),
        loginAttempts: () => server.loginAttempts - before,
      }
    },
    skip: {
      hooks: { plantDuplicate: 'names are unique in the appliance, and a name is made of the id' },
      cases: Object.fromEntries(wrappingByEc),
    },
    dispose: () => server.close(),
  }
}
