import { DomainError, SecretBytes } from '@keyhsm/core'
import { findCapabilities } from './capabilities.js'
import { Cluster } from './connection/cluster.js'
import { nameOf } from './connection/connect-socket.js'
import { LoginGate } from './connection/login-gate.js'
import { openLink } from './connection/open-link.js'
import { defaultDialect } from './dialect/dialect.js'
import { LinkError, linkToError, NaeRefusal, refusalToError } from './failure.js'
import { KeyDirectory } from './keys/key-directory.js'
import { deviceInfoRequest, parseDeviceInfo } from './messages/session.js'
import { NaeHsm } from './nae-hsm.js'
import { defaultTimers, type LinkOptions, type NaeOptions, silentLog } from './options.js'

const defaultConnections = 8

/**
 * Connects to a KeySecure or CipherTrust Manager, or a cluster of them, and finds out what it can do. Resolves when a node
 * has accepted the login.
 * @throws ERR_HSM_LOGIN when the login was refused (tried once); ERR_HSM_UNAVAILABLE when no node can be asked, with both
 * fingerprints in the text when a node shows another certificate than the trusted one; ERR_SETTINGS without a node.
 */
export async function connectNae(options: NaeOptions): Promise<NaeHsm> {
  if (options.nodes.length === 0) throw new DomainError('ERR_SETTINGS', 'no HSM address is given')
  const log = options.log ?? silentLog
  const dialect = options.dialect ?? defaultDialect
  const timers = { ...defaultTimers, ...options.timers }
  const link: LinkOptions = { tls: options.tls, user: options.user, dialect, timers }
  const password = SecretBytes.own(options.password.expose((bytes) => Buffer.from(bytes)))
  const gate = new LoginGate(link, password, options.onLoginRefused ?? (() => undefined))
  const cluster = new Cluster({
    nodes: options.nodes,
    timers,
    maxLinks: options.connections ?? defaultConnections,
    log,
    open: async (node) => {
      if (gate.refused) throw gate.refused
      const opened = await openLink(node, link)
      try {
        await gate.enter(opened.link)
      } catch (error) {
        opened.link.close()
        throw error
      }
      return opened.link
    },
  })
  const directory = new KeyDirectory(cluster, dialect, timers)
  const device = { cluster, directory, dialect, timers }
  if (options.tls === undefined) {
    log.warn({}, 'the HSM is asked without TLS: whoever is on the way reads the password')
  }
  try {
    const { result, member } = await cluster.run({ kind: 'read-first' }, (each) =>
      each.request(deviceInfoRequest(), timers.readMs),
    )
    const told = parseDeviceInfo(dialect, result.element)
    const found = await findCapabilities(device, log)
    return new NaeHsm({
      device,
      gate,
      password,
      description: `KeySecure ${nameOf(member.node)}${told === '' ? '' : ` (${told})`}`,
      capabilities: { ...found, durableKeys: true, seesOutsideChanges: true, hardware: true },
      wrap: options.wrap ?? 'device',
    })
  } catch (error) {
    cluster.close()
    password.wipe()
    if (error instanceof NaeRefusal) throw refusalToError(error)
    throw error instanceof LinkError ? linkToError(error) : error
  }
}
