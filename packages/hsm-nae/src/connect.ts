import { DomainError, SecretBytes } from '@keyhsm/core'
import { findCapabilities } from './capabilities.js'
import { Cluster } from './connection/cluster.js'
import { nameOf } from './connection/connect-socket.js'
import type { NaeLink, Witness } from './connection/nae-link.js'
import { LoginGate } from './connection/login-gate.js'
import { openLink } from './connection/open-link.js'
import { TrustInUse } from './connection/trust-in-use.js'
import { defaultDialect } from './dialect/dialect.js'
import { NaeRefusal, toPublicError } from './failure.js'
import { KeyDirectory } from './keys/key-directory.js'
import { deviceInfoRequest, parseDeviceInfo } from './messages/session.js'
import { NaeHsm } from './nae-hsm.js'
import {
  defaultTimers,
  type LinkOptions,
  type NaeNode,
  type NaeOptions,
  silentLog,
} from './options.js'
import type { Device } from './verbs/device.js'

const defaultConnections = 8

/**
 * Connects to a KeySecure or CipherTrust Manager, or a cluster of them, and finds out what it can do. Resolves when a node
 * has accepted the login.
 * @throws ERR_HSM_LOGIN when the login was refused (tried once); ERR_HSM_UNAVAILABLE when no node can be asked, with both
 * fingerprints in the text when a node shows another certificate than the trusted one; ERR_SETTINGS without a node.
 */
export async function connectNae(options: NaeOptions): Promise<NaeHsm> {
  return await connectWitnessed(options, undefined)
}

/** As {@link connectNae}, and `witness` sees every message, the login's too. */
export async function connectWitnessed(
  options: NaeOptions,
  witness: Witness | undefined,
): Promise<NaeHsm> {
  if (options.nodes.length === 0) throw new DomainError('ERR_SETTINGS', 'no HSM address is given')
  const { log = silentLog, dialect = defaultDialect, onLoginRefused = () => undefined } = options
  if (options.tls === undefined) {
    log.warn({}, 'the HSM is asked without TLS: whoever is on the way reads the password')
  }
  const timers = { ...defaultTimers, ...options.timers }
  const trust = new TrustInUse(options.tls)
  const link: LinkOptions = {
    get tls() {
      return trust.tls
    },
    user: options.user,
    dialect,
    timers,
  }
  const password = SecretBytes.own(options.password.expose((bytes) => Buffer.from(bytes)))
  const gate = new LoginGate(link, password, onLoginRefused)
  const cluster = new Cluster({
    nodes: options.nodes,
    timers,
    maxLinks: options.connections ?? defaultConnections,
    log,
    open: (node) => openSession(node, link, gate, witness),
  })
  const directory = new KeyDirectory(cluster, dialect, timers)
  const device = { cluster, directory, dialect, timers }
  try {
    const description = await describe(device)
    const found = await findCapabilities(device, log)
    const capabilities = { ...found, durableKeys: true, seesOutsideChanges: true, hardware: true }
    const { wrap = 'device' } = options
    return new NaeHsm({ device, gate, trust, description, capabilities, wrap })
  } catch (error) {
    cluster.close()
    password.wipe()
    throw toPublicError(error)
  }
}

async function openSession(
  node: NaeNode,
  options: LinkOptions,
  gate: LoginGate,
  witness: Witness | undefined,
): Promise<NaeLink> {
  if (gate.refused) throw gate.refused
  const { link } = await openLink(node, options, witness)
  try {
    await gate.enter(link)
    return link
  } catch (error) {
    link.close()
    throw error
  }
}

/** One line naming the appliance. Nothing depends on what it says of itself. */
async function describe({ cluster, dialect, timers }: Device): Promise<string> {
  const { result, member } = await cluster.run({ kind: 'read-first' }, async (link) => {
    try {
      const { element } = await link.request(deviceInfoRequest(), timers.readMs)
      return parseDeviceInfo(dialect, element)
    } catch (error) {
      if (error instanceof NaeRefusal && link.usable) return ''
      throw error
    }
  })
  return `KeySecure ${nameOf(member.node)}${result === '' ? '' : ` (${result})`}`
}
