/** From nothing to a session: connect, agree on a version, log in; in this order and before anything else. */
import type { SecretBytes } from '@keyhsm/core'
import { authRequest, versionRequest } from '../messages/session.js'
import type { LinkOptions, NaeNode } from '../options.js'
import { findText } from '../xml/element.js'
import { connectSocket } from './connect-socket.js'
import { NaeLink, type Witness } from './nae-link.js'

/** A connection on which a version is agreed. */
export interface OpenedLink {
  readonly link: NaeLink
  /** The version that the appliance chose. */
  readonly version: string
}

/**
 * Connects and agrees on a version.
 * @throws LinkError, NaeRefusal
 */
export async function openLink(
  node: NaeNode,
  options: Omit<LinkOptions, 'user'>,
  witness?: Witness,
): Promise<OpenedLink> {
  const { tls, dialect, timers } = options
  const socket = await connectSocket(node, tls, timers.connectMs)
  const link = new NaeLink(node, socket, dialect, witness)
  try {
    const { element } = await link.request(versionRequest(dialect), timers.readMs)
    return { link, version: findText(element, dialect.names.version) ?? '' }
  } catch (error) {
    link.close()
    throw error
  }
}

/**
 * Logs in on a fresh connection. A refusal must not be repeated: appliances lock users.
 * @throws LinkError, NaeRefusal
 */
export async function logIn(
  link: NaeLink,
  options: LinkOptions,
  password: SecretBytes,
): Promise<void> {
  const request = password.expose((bytes) =>
    authRequest(options.dialect, options.user, bytes.toString('utf8')),
  )
  await link.request(request, options.timers.readMs)
}
